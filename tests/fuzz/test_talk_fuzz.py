"""Whatever a peer says on the control channel, in whatever order: nothing raises, and nothing grows."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.api.peer_protocol import Limits
from appliance.errors import LocalFault, PeerFault
from appliance.protocol.control_channel import NotSent
from appliance.protocol.families import Family
from appliance.protocol.node import Node
from appliance.protocol.replies import MOST_ENTRIES
from appliance.wire import control
from appliance.wire.control import MAX_CONTROL_BYTES, ControlMessage
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType
from tests.fuzz.test_wire_fuzz import joined

FAMILY = Family("f", Limits(messages=20.0, waiting=8, requests=4))
NUMBERS = st.integers(1, 6) | st.integers(-1, 2**64) | st.none() | st.booleans()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
HEADS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["f", "f.a", "f.b", "g.a", "compression", "F", "f."])},
    optional={
        "request": NUMBERS,
        "response": NUMBERS,
        "refused": st.booleans(),
        "accepts": VALUES,
        "answer": VALUES,
        "n": VALUES,
    },
)
MESSAGES = st.tuples(HEADS, st.sampled_from([b"", b"\0", b"\0body", b"garbage", b"\0" + bytes(16_000)])).map(
    lambda parts: json.dumps(parts[0]).encode() + parts[1]
)


@given(encoded=MESSAGES | st.binary(max_size=60).map(lambda noise: b'{"kind":"f.a"' + noise) | st.binary(max_size=200))
def test_what_is_read_is_what_would_be_written(encoded: bytes) -> None:
    with contextlib.suppress(PeerFault):
        message = control.decode(encoded)
        assert control.family_of(encoded) == message.family
        assert control.decode(control.encode(message)) == message


@given(
    st.from_regex(control.KIND, fullmatch=True) | st.text(max_size=8),
    VALUES,
    st.binary(max_size=40),
    st.integers(-1, 2**54) | st.none(),
)
def test_what_is_written_can_be_read(kind: str, value: Any, body: bytes, request: int | None) -> None:
    message = ControlMessage(kind, {"value": value}, body, request)
    try:
        encoded = control.encode(message)
    except LocalFault:
        return
    assert len(encoded) <= MAX_CONTROL_BYTES
    read = control.decode(encoded)
    assert (read.kind, read.body, read.request) == (kind, body, request)


class Story:
    """A node that answers, asks and is told things."""

    def __init__(self) -> None:
        self.node: Node
        _, self.node, _ = joined()
        self.now = 1.0
        self.node.control.speak(FAMILY)
        (self.session,) = self.node.sessions.values()
        self.session.compression = True
        self.sent = 0

    def hear(self, encoded: bytes) -> None:
        self.node.handle_message(self.session.index, PacketType.DATA, CHANNEL_CONTROL, encoded, self.now)

    def answer(self) -> None:
        received = self.node.control.next("f")
        if received is not None and received.request is not None:
            self.node.control.answer(received, {"n": 1}, b"", self.now)

    def ask(self) -> None:
        with contextlib.suppress(NotSent):
            self.node.control.ask("a", "f.a", {}, b"", 5.0, self.now)

    def wait(self) -> None:
        self.now += 0.7
        self.node.handle_timeout(self.now)

    def look(self) -> None:
        channel = self.node.control
        assert channel.waiting("f") <= FAMILY.limits.waiting
        assert len(channel._requests) <= FAMILY.limits.requests
        assert len(channel._replies) <= MOST_ENTRIES
        while (event := self.node.poll_event()) is not None:
            self.sent += type(event).__name__ == "SendMessage"
        assert self.sent <= 60 + 40 * self.now, "no peer makes us send more than we mean to"


@given(st.lists(MESSAGES | st.sampled_from(["answer", "ask", "wait"]), max_size=60))
def test_no_talk_raises_or_stays(talk: list[bytes | str]) -> None:
    story = Story()
    for word in talk:
        if isinstance(word, bytes):
            story.hear(word)
        else:
            getattr(story, word)()
        story.look()
    for _ in range(20):
        story.wait()
    assert len(story.node.control._requests) == 0
