"""Super-packets cut in software are what scapy would have built packet by packet."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw, raw

from appliance.dataplane.vnet import acceptable, cut, split
from appliance.wire.entries import GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM

NETS = {
    4: (IP(src="10.8.0.1", dst="10.8.0.2", id=77), 20, GSO_TCPV4),
    6: (IPv6(src="fd00:8::1", dst="fd00:8::2"), 40, GSO_TCPV6),
}


def parse(version: int, packet: bytes) -> Packet:
    return IP(packet) if version == 4 else IPv6(packet)


def rebuilt(version: int, packet: bytes) -> bytes:
    """The same packet with every length and checksum made anew by scapy."""
    parsed = parse(version, packet)
    for layer in (IP, TCP, UDP):
        if layer in parsed:
            parsed[layer].chksum = None
    return raw(parsed)


@pytest.mark.parametrize("version", [4, 6])
@given(size=st.integers(1, 5000), segment=st.integers(48, 1400))
def test_tcp(version: int, size: int, segment: int) -> None:
    net, start, gso = NETS[version]
    payload = bytes(i * 7 & 255 for i in range(size))
    options = [("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]
    packet = raw(net / TCP(sport=1, dport=2, seq=0xFFFFFF00, flags="PAC", options=options) / Raw(payload))
    pieces = split(memoryview(struct.pack("<BBHHHH", NEEDS_CSUM, gso, start + 32, segment, start, 16) + packet))
    assert all(piece[:10] == bytes(10) for piece in pieces)
    parsed = [parse(version, piece[10:]) for piece in pieces]
    assert b"".join(bytes(p[TCP].payload) for p in parsed) == payload
    assert [p[TCP].seq for p in parsed] == [(0xFFFFFF00 + i * segment) & 0xFFFFFFFF for i in range(len(parsed))]
    assert ["P" in p[TCP].flags for p in parsed] == [False] * (len(parsed) - 1) + [True]
    assert ["C" in p[TCP].flags for p in parsed] == [True] + [False] * (len(parsed) - 1)
    for piece in pieces:
        assert rebuilt(version, piece[10:]) == piece[10:]


@pytest.mark.parametrize("version", [4, 6])
@given(size=st.integers(1, 5000), segment=st.integers(48, 1400))
def test_udp(version: int, size: int, segment: int) -> None:
    net, start, _ = NETS[version]
    payload = bytes(i * 5 & 255 for i in range(size))
    packet = raw(net / UDP(sport=1, dport=2) / Raw(payload))
    pieces = split(memoryview(struct.pack("<BBHHHH", NEEDS_CSUM, GSO_UDP_L4, start + 8, segment, start, 6) + packet))
    parsed = [parse(version, piece[10:]) for piece in pieces]
    assert b"".join(bytes(p[UDP].payload) for p in parsed) == payload
    for piece, p in zip(pieces, parsed, strict=True):
        assert p[UDP].len == len(bytes(p[UDP]))
        assert rebuilt(version, piece[10:]) == piece[10:]


@pytest.mark.parametrize("version", [4, 6])
def test_a_single_packet_gets_its_checksum(version: int) -> None:
    net, start, _ = NETS[version]
    packet = raw(net / UDP(sport=1, dport=2) / Raw(b"odd"))
    blank = bytearray(packet)
    blank[start + 6 : start + 8] = b"\x12\x34"
    pieces = split(memoryview(struct.pack("<BBHHHH", NEEDS_CSUM, GSO_NONE, 0, 0, start, 6) + bytes(blank)))
    assert pieces == [bytes(10) + packet]


def test_a_finished_packet_stays_as_it_is() -> None:
    packet = raw(NETS[4][0] / UDP() / Raw(b"x"))
    assert split(memoryview(bytes(10) + packet)) == [bytes(10) + packet]


def super_packet(version: int, size: int, segment: int, protocol: str) -> bytes:
    """As the kernel gives one: its checksum is the sum of the pseudo-header only."""
    net, start, gso = NETS[version]
    payload = bytes(i * 3 & 255 for i in range(size))
    if protocol == "tcp":
        packet = raw(net / TCP(sport=1, dport=2, seq=0xFFFFFF00, flags="PAC", options=[("NOP", None)] * 4) / Raw(payload))
        return struct.pack("<BBHHHH", NEEDS_CSUM, gso | GSO_ECN, start + 24, segment, start, 16) + packet
    packet = raw(net / UDP(sport=1, dport=2) / Raw(payload))
    return struct.pack("<BBHHHH", NEEDS_CSUM, GSO_UDP_L4, start + 8, segment, start, 6) + packet


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("version", [4, 6])
@given(size=st.integers(1, 20000), segment=st.integers(48, 1400), most=st.integers(100, 30000))
def test_pieces_stand_for_the_same_packets(version: int, protocol: str, size: int, segment: int, most: int) -> None:
    entry = super_packet(version, size, segment, protocol)
    pieces = cut(memoryview(entry), most)
    assert [packet for piece in pieces for packet in split(memoryview(piece))] == split(memoryview(entry))
    for piece in pieces:
        kind = piece[1] & ~GSO_ECN
        assert len(piece) <= most or kind == GSO_NONE or len(pieces) == 1
        assert kind == GSO_NONE or acceptable(memoryview(piece))


@pytest.mark.parametrize("version", [4, 6])
def test_a_piece_has_the_sum_that_the_kernel_completes(version: int) -> None:
    """Its pseudo-header's, not inverted, with the piece's own length (linux/skbuff.h, CHECKSUM_PARTIAL)."""
    for piece in cut(super_packet(version, 9000, 1000, "tcp"), 3200):
        packet = parse(version, bytes(piece[10:]))
        start = NETS[version][1]
        addresses = bytes(piece[22:30]) if version == 4 else bytes(piece[18:50])
        pseudo = addresses + struct.pack("!II", len(piece) - 10 - start, 6)
        words = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
        while words >> 16:
            words = (words & 0xFFFF) + (words >> 16)
        assert packet[TCP].chksum == words


def test_ordinary_packets_and_empty_ones_stay_whole() -> None:
    ordinary = bytes(10) + raw(NETS[4][0] / UDP() / Raw(bytes(1200)))
    assert cut(ordinary, 100) == [ordinary]
    entry = super_packet(4, 3000, 1000, "tcp")
    assert cut(entry, len(entry)) == [entry]
    headers_only = entry[: 10 + 44]
    assert cut(headers_only, 20) == [headers_only]
