"""What a peer or a stranger may send: every one is dropped, counted by its reason, and raises nothing."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.dataplane import carry, hub, join, pair
from rigs.packets import udp4, udp6
from scapy.layers.inet import IP, TCP
from scapy.packet import raw

from appliance.dataplane.inbound import compile_inbound
from appliance.wire.envelope import HEADER, pack


def test_a_record_with_any_bit_flipped_is_refused() -> None:
    a, b, out, back = pair()
    a.send(udp4(40))
    record = out.records.pop()
    for bit in range(8 * len(record)):
        damaged = bytearray(record)
        damaged[bit // 8] ^= 1 << bit % 8
        b.take(bytes(damaged), back)
    assert b.packets == []
    assert set(b.drops) <= {"malformed", "unknown_session", "bad_tag", "replayed"}
    assert b.take(record, back)
    assert b.packets == [udp4(40)]


def test_a_header_forged_with_a_right_checksum_still_fails_the_tag() -> None:
    a, b, out, back = pair()
    a.send(udp4(40))
    record = out.records.pop()
    _, kind, flags, stream, sequence, stamp, length, _ = HEADER.unpack_from(record)
    forged = [
        pack(2, flags, stream, sequence, stamp, length),
        pack(kind, flags | 0x20, stream, sequence, stamp, length),
        pack(kind, flags, stream | 1, sequence, stamp, length),
        pack(kind, flags, stream, sequence + 256, stamp, length),
        pack(kind, flags, stream, sequence, stamp + 1, length),
    ]
    for header in forged:
        assert not b.take(header + record[24:], back)
    assert b.drops == {"bad_tag": len(forged)}
    assert b.heard.messages == []


def test_a_record_is_taken_once() -> None:
    a, b, out, back = pair()
    a.send(udp4(40))
    a.send(udp6(40))
    records = list(out.records)
    for record in (records[1], records[0], *records, *records):
        b.take(record, back)
    assert b.packets == [udp6(40), udp4(40)]
    assert b.drops == {"replayed": 4}


def test_a_record_older_than_the_window_is_refused_unopened() -> None:
    a, b, out, back = pair()
    packets = [udp4(4, mark) for mark in range(256)]
    for mark in range(8300):
        a.send(packets[mark & 0xFF])
    old, new = out.records[0], out.records[-1]
    assert b.take(new, back)
    b.take(old, back)
    assert b.take(out.records[-8000], back)
    assert b.drops == {"replayed": 1}
    assert len(b.packets) == 2


def test_a_truncated_record_is_refused() -> None:
    a, b, out, back = pair()
    a.send(udp4(40))
    record = out.records.pop()
    for size in range(24, len(record)):
        header = HEADER.unpack_from(record)
        shorter = pack(header[1], header[2], header[3], header[4], header[5], size - 24)
        b.take(shorter + record[24:size], back)
    assert b.packets == []
    assert b.drops == {"bad_tag": len(record) - 24}


def test_an_unknown_session_is_counted() -> None:
    _, b, _, back = pair()
    b.take(pack(1, 0, 99 << 8, 256, 0, 40) + bytes(40), back)
    assert b.drops == {"unknown_session": 1}
    assert b.heard.unknown == [99 << 8]


@pytest.mark.parametrize(
    "plain",
    [
        b"\0",
        bytes(31),
        struct.pack("!H", 65535) + bytes(60),
        struct.pack("!H", 5) + bytes(60),
        struct.pack("!H", 40) + bytes(10) + b"\x25" + bytes(29),
        struct.pack("!H", 40) + bytes(10) + b"\x60" + bytes(29),
        struct.pack("!H", 0) + bytes(40),
    ],
)
def test_entries_that_contradict_themselves_are_dropped(plain: bytes) -> None:
    """Sealed by an authentic peer that lies about what is inside."""
    a, b, out, back = pair()
    session = a.world.sessions[5]
    a.outbound.message(session, 1, 0, plain)
    carry(out, b, back)
    assert b.packets == []
    assert b.drops["malformed"] >= 1


@pytest.mark.parametrize("kind", [0, 7, 9, 255])
def test_an_unknown_type_under_a_right_tag_is_dropped(kind: int) -> None:
    a, b, out, back = pair()
    a.outbound.message(a.world.sessions[5], kind, 0, b"x")
    carry(out, b, back)
    assert b.heard.messages == []
    assert b.drops == {"malformed": 1}


@given(st.integers(0, 255).filter(lambda kind: kind not in (3, 4)), st.integers(0, 255), st.binary(max_size=100))
def test_whatever_type_and_channel_a_peer_writes_nothing_raises(kind: int, channel: int, body: bytes) -> None:
    a, b, out, back = pair()
    a.outbound.message(a.world.sessions[5], kind, channel, body)
    carry(out, b, back)
    assert b.heard.raised == []
    assert all(1 <= message[1] <= 6 for message in b.heard.messages)


def test_a_record_that_raises_all_the_same_is_lost_and_the_next_is_not() -> None:
    a, b, out, back = pair()

    def mistake(entry: memoryview) -> None:
        raise KeyError("a mistake of ours")

    b.sink_for = compile_inbound(b.world, mistake, b.outbound, b._upward)
    a.send(udp4(40))
    carry(out, b, back)
    b._connect()
    a.send(udp4(41))
    carry(out, b, back)
    assert b.packets == [udp4(41)]
    assert b.drops == {"raised": 1}
    assert [type(error) for error in b.heard.raised] == [KeyError]


def test_what_cannot_be_sent_is_not_tried_again() -> None:
    """A hub has gathered a packet for a session that cannot take one."""
    a, h, c = hub()
    up, down = join(a, h, index=5)
    onward, _ = join(h, c, index=7)
    h.world.sessions[7].stream = 1 << 32  # an index of 25 bits
    a.send(udp4(40))
    carry(up, h, down)
    assert h.drops == {"raised": 1}
    a.send(udp4(41, destination="10.8.0.77"))
    carry(up, h, down)
    assert h.packets == [udp4(41, destination="10.8.0.77")]
    assert h.drops == {"raised": 1}
    assert onward.records == []


def test_what_is_no_ip_record_goes_to_the_control_process() -> None:
    a, b, out, back = pair()
    for kind, channel, body in ((5, 0, b""), (2, 0, b"ack"), (6, 0, b"bye"), (1, 1, b"{}")):
        a.outbound.message(a.world.sessions[5], kind, channel, body)
    carry(out, b, back)
    assert b.heard.messages == [(5, 5, 0, b""), (5, 2, 0, b"ack"), (5, 6, 0, b"bye"), (5, 1, 1, b"{}")]


def test_handshake_packets_go_up_unopened() -> None:
    _, b, _, back = pair()
    packet = pack(3, 0, 0, 0, 0, 5) + b"hello"
    assert b.take(packet, back)
    assert b.heard.packets == [packet]


@given(st.binary(min_size=24, max_size=200))
def test_noise_raises_nothing(noise: bytes) -> None:
    _, b, _, back = pair()
    b.take(noise, back)
    assert b.packets == []


@given(st.binary(max_size=300))
def test_noise_under_a_right_tag_raises_nothing(noise: bytes) -> None:
    a, b, out, back = pair()
    a.outbound.message(a.world.sessions[5], 1, 0, noise)
    carry(out, b, back)
    assert b.heard.raised == []
    assert all(len(packet) >= 20 for packet in b.packets)


@st.composite
def entry(draw: st.DrawFn) -> bytes:
    """What looks like an entry: an own packet with a few bytes changed behind any virtio header, with a length that may lie."""
    packet = bytearray(draw(st.sampled_from([udp4(60), udp6(60), udp4(0), raw(IP(src="10.8.0.1", dst="10.8.0.2") / TCP())])))
    for _ in range(draw(st.integers(0, 3))):
        packet[draw(st.integers(0, len(packet) - 1))] = draw(st.integers(0, 255))
    vnet = draw(st.just(bytes(10)) | st.binary(min_size=10, max_size=10))
    length = draw(st.just(10 + len(packet)) | st.integers(0, 65535))
    return struct.pack("!H", length) + vnet + bytes(packet)


@given(st.lists(entry(), max_size=6), st.booleans())
def test_entries_of_an_authentic_peer_raise_nothing(plain: list[bytes], hub: bool) -> None:
    a, b, out, back = pair()
    b.world.hub = hub
    b.route({"10.8.0.1/32": "a", "fd00:8::1/128": "a"}, ["10.8.0.2/24", "fd00:8::2/64"])
    a.outbound.message(a.world.sessions[5], 1, 0, b"".join(plain))
    carry(out, b, back)
    assert b.heard.raised == []
    assert len(b.packets) <= len(plain)
