"""What is remembered of messages, and for how long."""

from __future__ import annotations

from appliance_discovery_libp2p.gossip import memory as memories
from appliance_discovery_libp2p.gossip.memory import (
    KEPT_BEATS,
    MOST_GIVEN,
    MOST_KEPT,
    MOST_SEEN,
    SEEN_SECONDS,
    TOLD_BEATS,
    Memory,
)
from appliance_discovery_libp2p.gossip.messages import Message


def message(number: int, topic: str = "/t") -> Message:
    return Message(b"peer", b"data", b"%d" % number, topic)


def test_a_message_is_told_of_for_three_beats_and_given_for_five() -> None:
    memory, one = Memory(), message(1)
    memory.keep(one)
    memory.keep(message(2, "/other"))
    for beat in range(1, KEPT_BEATS + 1):
        assert memory.told("/t") == ((one.id,) if beat <= TOLD_BEATS else ())
        assert memory.give(one.id, b"%d" % beat) == one
        memory.turn(0.0)
    assert memory.give(one.id, b"late") is None
    assert len(memory) == 0


def test_one_peer_gets_it_a_few_times() -> None:
    memory, one = Memory(), message(1)
    memory.keep(one)
    assert [memory.give(one.id, b"again") is not None for _ in range(5)] == [True] * MOST_GIVEN + [False] * 2


def test_what_was_seen_is_known_for_its_time() -> None:
    memory = Memory()
    memory.see(b"id", 0.0)
    memory.turn(SEEN_SECONDS)
    assert memory.seen(b"id")
    memory.turn(SEEN_SECONDS + 1)
    assert not memory.seen(b"id")


def test_both_are_bounded() -> None:
    memory = Memory()
    for number in range(MOST_SEEN + 100):
        memory.see(b"%d" % number, 0.0)
    for number in range(MOST_KEPT + 100):
        memory.keep(message(number))
    assert len(memory._seen) == memories.MOST_SEEN
    assert len(memory) == MOST_KEPT
    assert not memory.seen(b"0")
