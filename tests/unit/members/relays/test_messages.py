"""Control messages of the family `relay`: whatever a peer sends is a value or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.peer_protocol import Answer
from appliance.members.relays import messages
from appliance.members.relays.messages import CircuitRefused, Connect, End, Incoming, Load, Made, Reason

WHO = "llp1:" + "a" * 52
ID = "0123456789abcdef"
READERS = [
    messages.read_connect,
    messages.read_incoming,
    messages.read_made,
    messages.read_close,
    messages.read_circuits,
    messages.read_load,
]
KEYS = ("to", "from", "channel", "circuit", "relays", "because", "circuits", "used", "reserved")
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=60), st.lists(st.text(), max_size=3))


def test_what_is_well_formed_is_read() -> None:
    assert messages.read_connect({"to": WHO, "channel": 2}) == Connect(WHO, 2)
    assert messages.read_incoming({"from": WHO, "channel": 255, "circuit": ID, "relays": 3}) == Incoming(WHO, 255, ID, 3)
    assert messages.read_made({"circuit": ID, "relays": 1}) == Made(ID, 1)
    assert messages.read_close({"circuit": ID, "because": "time"}) == (ID, End.TIME)
    assert messages.read_close({"circuit": ID, "because": "a later reason"}) == (ID, End.CLOSED)
    assert messages.read_load({"circuits": [ID], "used": 7, "reserved": True}) == Load((ID,), 1.0, reserved=True)


@pytest.mark.parametrize("reader", READERS)
@given(content=st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_anything_else_is_refused(reader: Callable[[dict[str, Any]], object], content: dict[str, Any]) -> None:
    with suppress(CircuitRefused):
        reader(content)


@pytest.mark.parametrize("channel", [0, 1, 256, True, "7", 7.0, None])
def test_a_channel_is_one_of_the_data_channels(channel: object) -> None:
    with pytest.raises(CircuitRefused):
        messages.read_connect({"to": WHO, "channel": channel})


def test_no_more_circuits_are_told_than_a_peer_can_have() -> None:
    with pytest.raises(CircuitRefused):
        messages.read_circuits({"circuits": [ID] * (messages.MOST_TOLD + 1)})


def test_an_answer_says_yes_or_why_not() -> None:
    assert messages.judge(Answer({"circuit": ID})) == {"circuit": ID}
    for because, reason in [
        ("full", Reason.FULL),
        ("a later reason", Reason.MALFORMED),
        (7, Reason.MALFORMED),
        ([], Reason.MALFORMED),
    ]:
        with pytest.raises(CircuitRefused) as caught:
            messages.judge(Answer({"because": because}))
        assert caught.value.reason is reason
    with pytest.raises(CircuitRefused) as caught:
        messages.judge(messages.refusal(Reason.CIRCLE))
    assert caught.value.reason is Reason.CIRCLE
