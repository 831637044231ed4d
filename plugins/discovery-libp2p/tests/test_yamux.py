"""Streams over one connection, and what a peer that wants to do harm can do with them: nothing but end its own connection."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.yamux import (
    DATA,
    GO_AWAY,
    HEADER,
    MOST_STREAMS,
    MOST_UNREAD,
    PING,
    WINDOW,
    WINDOW_UPDATE,
    Data,
    Ended,
    Event,
    Flag,
    Gone,
    Opened,
    Room,
    Yamux,
)


def frame(kind: int, flags: int, stream: int, length: int | bytes) -> bytes:
    body = length if isinstance(length, bytes) else b""
    return HEADER.pack(0, kind, flags, stream, len(body) if body else int(length or 0)) + body


def crossed(sender: Yamux, receiver: Yamux) -> list[Event]:
    said = bytes(sender.out)
    sender.out.clear()
    return receiver.receive(said)


def pair() -> tuple[Yamux, Yamux]:
    return Yamux(initiator=True), Yamux(initiator=False)


def test_a_stream_from_its_beginning_to_its_end() -> None:
    caller, called = pair()
    stream = caller.open()
    assert caller.send(stream, b"question") == 8
    caller.end(stream)
    assert crossed(caller, called) == [Opened(stream), Data(stream, b"question"), Ended(stream)]
    called.send(stream, b"answer")
    called.end(stream)
    assert crossed(called, caller) == [Data(stream, b"answer"), Ended(stream)]
    assert (caller.streams, called.streams) == (0, 0)


def test_no_more_is_sent_than_the_reader_has_room_for() -> None:
    caller, called = pair()
    stream = caller.open()
    assert caller.send(stream, bytes(WINDOW + 5)) == WINDOW
    assert caller.send(stream, b"!") == 0
    crossed(caller, called)
    called.taken(stream, WINDOW // 2 - 1)
    assert crossed(called, caller) == []
    called.taken(stream, 1)
    assert crossed(called, caller) == [Room(stream)]
    assert caller.send(stream, bytes(WINDOW)) == WINDOW // 2


def test_a_sender_that_ignores_its_window_is_cut_off() -> None:
    called = Yamux(initiator=False)
    called.receive(frame(WINDOW_UPDATE, Flag.SYN, 1, 0) + frame(DATA, 0, 1, bytes(WINDOW)))
    with pytest.raises(Malformed):
        called.receive(frame(DATA, 0, 1, b"!"))


def test_a_frame_longer_than_any_window_is_refused_by_its_header() -> None:
    called = Yamux(initiator=False)
    called.receive(frame(WINDOW_UPDATE, Flag.SYN, 1, 0))
    with pytest.raises(Malformed):
        called.receive(HEADER.pack(0, DATA, 0, 1, WINDOW + 1))


def test_streams_that_are_too_many_are_reset_and_the_others_go_on() -> None:
    called = Yamux(initiator=False)
    opened = called.receive(b"".join(frame(WINDOW_UPDATE, Flag.SYN, 2 * n + 1, 0) for n in range(MOST_STREAMS + 1000)))
    assert len(opened) == called.streams == MOST_STREAMS
    assert called.refused == 1000
    called.reset(1)
    assert called.receive(frame(WINDOW_UPDATE, Flag.SYN, 999_999, 0)) == [Opened(999_999)]


def test_what_nobody_reads_is_bounded_over_all_streams() -> None:
    called = Yamux(initiator=False)
    fills = MOST_UNREAD // WINDOW
    for number in range(fills + 1):
        called.receive(frame(WINDOW_UPDATE, Flag.SYN, 2 * number + 1, 0))
    for number in range(fills):
        assert called.receive(frame(DATA, 0, 2 * number + 1, bytes(WINDOW)))[0][0] == 2 * number + 1
    over = 2 * fills + 1
    assert called.receive(frame(DATA, 0, over, b"!")) == [Gone(over)]
    called.reset(1)
    assert called.receive(frame(WINDOW_UPDATE, Flag.SYN, over + 2, 0) + frame(DATA, 0, over + 2, b"!"))[-1] == Data(
        over + 2, b"!"
    )


def test_a_reset_ends_both_ways_and_what_was_under_way_is_dropped() -> None:
    caller, called = pair()
    stream = caller.open()
    crossed(caller, called)
    called.reset(stream)
    caller.send(stream, b"late")
    assert crossed(caller, called) == []
    assert crossed(called, caller) == [Gone(stream)]
    assert caller.send(stream, b"!") == 0


def test_pings_are_answered_and_a_goodbye_is_heard() -> None:
    called = Yamux(initiator=False)
    called.receive(frame(PING, Flag.SYN, 0, 77) + frame(PING, Flag.ACK, 0, 78))
    assert bytes(called.out) == frame(PING, Flag.ACK, 0, 77)
    called.receive(frame(GO_AWAY, 0, 0, 0))
    assert called.leaving


@pytest.mark.parametrize(
    "said",
    [
        HEADER.pack(1, DATA, 0, 1, 0),
        HEADER.pack(0, 4, 0, 1, 0),
        HEADER.pack(0, DATA, 16, 1, 0),
        frame(DATA, Flag.SYN, 0, 0),
        frame(PING, Flag.SYN, 5, 0),
        frame(DATA, Flag.SYN, 2, 0),
        frame(DATA, Flag.SYN, 1, 0) * 2,
        frame(DATA, Flag.SYN | Flag.FIN, 1, 0) + frame(DATA, 0, 1, b"more"),
    ],
    ids=["version", "type", "flags", "stream 0", "ping of a stream", "our number", "twice", "after its end"],
)
def test_what_breaks_the_protocol_ends_the_connection(said: bytes) -> None:
    with pytest.raises(Malformed):
        Yamux(initiator=False).receive(said)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15), st.integers(0, 9), st.integers(0, 2**32 - 1)), max_size=40))
def test_nothing_else_than_a_refusal_comes_of_any_frames(frames: list[tuple[int, int, int, int]]) -> None:
    called = Yamux(initiator=False)
    with suppress(Malformed):
        for one in frames:
            called.receive(HEADER.pack(0, *one))
    assert called.streams <= MOST_STREAMS
