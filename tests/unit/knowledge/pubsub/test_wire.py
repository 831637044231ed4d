"""The bytes of publish/subscribe: what is written is read, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.pubsub import wire
from appliance.knowledge.pubsub.wire import MOST_BODY, MOST_PARTS, Malformed, Outbox, Part, is_topic, part

PEER, OTHER = b"p" * 32, b"o" * 32
IDS = [b"1" * 20, b"2" * 20]
TOPICS = st.from_regex(wire.TOPIC, fullmatch=True)


def test_what_waits_for_a_peer_goes_in_one_message_and_in_order() -> None:
    out = Outbox()
    out.put(PEER, Part.TELL)
    out.put(OTHER, Part.WANT, IDS[0])
    out.put(PEER, Part.WANT, b"".join(IDS))
    first, second = out.flush()
    assert (first.peer, second.peer) == (PEER, OTHER)
    assert wire.read_parts(first.body) == [(Part.TELL, b""), (Part.WANT, b"".join(IDS))]
    assert list(out.flush()) == []


def test_what_does_not_fit_goes_in_a_second_message() -> None:
    out = Outbox()
    for _ in range(4):
        out.put(PEER, Part.MESSAGE, bytes(8000))
    for _ in range(MOST_PARTS):
        out.put(PEER, Part.TELL)
    bodies = [say.body for say in out.flush()]
    assert all(len(body) <= MOST_BODY for body in bodies)
    assert sum(len(wire.read_parts(body)) for body in bodies) == 4 + MOST_PARTS


def test_parts_of_types_to_come_are_passed_over() -> None:
    assert wire.read_parts(b"\xee\0\3abc" + part(Part.TELL)) == [(Part.TELL, b"")]


@pytest.mark.parametrize("body", [b"\1", b"\1\0\5abc", part(Part.TELL) * (MOST_PARTS + 1)])
def test_a_body_that_breaks_off_or_has_too_many_parts_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        wire.read_parts(body)


@given(st.integers(0, 2**32 - 1), st.lists(TOPICS, max_size=5))
def test_topics_are_read_as_they_were_written(version: int, topics: list[str]) -> None:
    assert wire.read_topics(wire.topics_value(version, topics)) == (version, topics)


@given(TOPICS, st.booleans(), st.booleans())
def test_the_rest_is_read_as_it_was_written(topic: str, lazy: bool, answer: bool) -> None:
    assert wire.read_have(wire.have_value(topic, IDS)) == (topic, IDS)
    assert wire.read_graft(wire.graft_value(topic, lazy=lazy, answer=answer)) == (topic, lazy, answer)
    assert wire.read_prune(wire.prune_value(topic, 60, [PEER, OTHER])) == (topic, 60, [PEER, OTHER])


@pytest.mark.parametrize(
    "read", [wire.read_topics, wire.read_have, wire.read_graft, wire.read_prune, wire.read_ids, wire.only_topic]
)
@given(value=st.binary(max_size=80))
def test_any_bytes_are_read_or_malformed(read: Callable[[bytes], Any], value: bytes) -> None:
    with suppress(Malformed):
        read(value)


@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "ä", "a\n", "a:b"])
def test_what_is_no_topic(name: str) -> None:
    assert not is_topic(name)
    assert is_topic("a/B-1_x.y")
