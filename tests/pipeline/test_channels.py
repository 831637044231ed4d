"""Data channels in the pipeline: which record goes where, whatever a peer puts into it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rigs.dataplane import Host, Wire, carry, join, pair
from rigs.packets import udp4

from appliance.dataplane import counters as layout
from appliance.dataplane.peers import Channel
from appliance.runtime.workers.data_channels import channel_pair
from appliance.wire.envelope import HEADER, PacketType


@contextmanager
def opened(host: Host, peer: str, *numbers: int) -> Iterator[dict[int, socket.socket]]:
    """Channels of a peer, and the ends of whoever uses them."""
    ends = {}
    channels = {}
    kept = []
    for number in numbers:
        ours, ends[number] = channel_pair()
        ours.settimeout(0)
        ends[number].settimeout(0)
        kept += [ours, ends[number]]
        channels[number] = Channel(host.world.peers[peer], number, 1, ours.fileno())
    host.world.peers[peer].channels = channels
    try:
        yield ends
    finally:
        for end in kept:
            end.close()


def say(host: Host, peer: str, channel: int, body: bytes, kind: int = PacketType.DATA) -> None:
    session = host.world.peers[peer].session
    assert session is not None
    host.outbound.message(session, kind, channel, body)


def waiting(end: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(end.recv(70000))
        except BlockingIOError:
            return found


def both() -> tuple[Host, Host, Wire, Wire]:
    return pair()


def test_each_body_goes_to_its_channel_and_packets_to_the_tun() -> None:
    a, b, out, back = both()
    with opened(b, "a", 2, 3, 255) as ends:
        for number in (3, 255, 2, 3):
            say(a, "b", number, b"on %d" % number)
        a.send(udp4(100))
        carry(out, b, back)
        assert {number: waiting(end) for number, end in ends.items()} == {2: [b"on 2"], 3: [b"on 3"] * 2, 255: [b"on 255"]}
        assert b.packets == [udp4(100)]
        assert b.heard.messages == []
        assert b.drops == {}
        assert b.world.counters[layout.CHANNEL_RX_RECORDS] == 4
        assert b.world.counters[layout.CHANNEL_RX_BYTES] == 3 * 4 + 6


@pytest.mark.parametrize("kind", [PacketType.ACK, PacketType.KEEP_ALIVE, PacketType.DISCONNECT])
def test_only_data_is_on_a_channel(kind: PacketType) -> None:
    a, b, out, back = both()
    with opened(b, "a", 2) as ends:
        say(a, "b", 2, b"x", kind)
        carry(out, b, back)
        assert waiting(ends[2]) == []
        assert b.heard.messages == [(5, kind, 2, b"x")], "as before: the control process judges it"


def test_a_channel_number_that_was_changed_on_the_way_opens_nothing() -> None:
    a, b, out, back = both()
    with opened(b, "a", 2, 3) as ends:
        say(a, "b", 2, b"x")
        record = bytearray(out.records.pop())
        for number in (0, 1, 3):
            record[7] = number
            record[22:24] = crc(record)
            assert not b.take(bytes(record), back)
        assert b.drops == {"bad_tag": 3}
        assert waiting(ends[2]) == waiting(ends[3]) == []


def crc(record: bytearray) -> bytes:
    from binascii import crc_hqx

    return crc_hqx(bytes(record[:22]), 0xFFFF).to_bytes(2, "big")


def test_a_record_of_a_channel_is_taken_once() -> None:
    a, b, out, back = both()
    with opened(b, "a", 2) as ends:
        say(a, "b", 2, b"once")
        record = out.records.pop()
        for _ in range(3):
            b.take(record, back)
        assert waiting(ends[2]) == [b"once"]
        assert b.drops == {"replayed": 2}


def test_peers_have_channels_of_their_own() -> None:
    a, b, out, back = both()
    c = Host("c")
    c.peer("b", ["10.8.0.2/32"])
    b.peer("c", ["10.8.0.3/32"])
    wire, home = join(c, b, index=7)
    with opened(b, "a", 2) as of_a, opened(b, "c", 2) as of_c:
        say(a, "b", 2, b"from a")
        say(c, "b", 2, b"from c")
        carry(out, b, back)
        carry(wire, b, home)
        assert (waiting(of_a[2]), waiting(of_c[2])) == ([b"from a"], [b"from c"])


def test_a_renewed_session_finds_the_channel_and_the_old_one_still_does() -> None:
    a, b, out, back = both()
    with opened(b, "a", 2) as ends:
        say(a, "b", 2, b"old")
        late = out.records.pop()
        wire, home = join(a, b, index=9)
        say(a, "b", 2, b"new")
        carry(wire, b, home)
        b.take(late, back)
        assert waiting(ends[2]) == [b"new", b"old"]


def test_a_body_that_lies_about_its_length_is_no_body() -> None:
    a, b, out, back = both()
    with opened(b, "a", 2) as ends:
        say(a, "b", 2, b"xx")
        record = bytearray(out.records.pop())
        fields = list(HEADER.unpack_from(record))
        for length in (0, 1, 15, 17, 19, 65535):
            fields[6] = length
            HEADER.pack_into(record, 0, *fields)
            record[22:24] = crc(record)
            assert not b.take(bytes(record), back)
        assert waiting(ends[2]) == []
        assert b.drops == {"bad_tag": 6}
