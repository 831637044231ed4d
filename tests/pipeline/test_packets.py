"""Packets built by scapy cross two compiled pipelines as a stranger's would."""

from __future__ import annotations

import struct

import pytest
from rigs.dataplane import NO_VNET, Host, carry, join, pair
from rigs.packets import A4, A6, B4, B6, udp4, udp6
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Raw, raw

from appliance.dataplane.counters import ROW, base
from appliance.dataplane.scheduled import Scheduling
from appliance.wire.entries import GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM
from appliance.wire.envelope import HEADER


@pytest.mark.parametrize(
    "packet",
    [
        raw(IP(src=A4, dst=B4) / ICMP()),
        raw(IP(src=A4, dst=B4) / TCP(flags="S")),
        udp4(0),
        udp4(1372),
        raw(IPv6(src=A6, dst=B6) / ICMPv6EchoRequest()),
        udp6(1300),
    ],
)
def test_a_packet_arrives_as_it_was_sent(packet: bytes) -> None:
    a, b, out, back = pair()
    a.send(packet)
    carry(out, b, back)
    assert b.packets == [packet]
    assert b.drops == {}


def test_small_packets_that_wait_share_one_record_and_keep_their_order() -> None:
    a, b, out, back = pair()
    packets = [udp4(20, mark) if mark % 2 else udp6(20, mark) for mark in range(40)]
    a.send(*packets)
    assert len(out.records) == 1
    carry(out, b, back)
    assert b.packets == packets


def test_a_record_is_never_longer_than_its_length_field_and_one_send() -> None:
    a, b, out, back = pair()
    packets = [udp4(1300, mark) for mark in range(300)]
    a.send(*packets)
    assert all(len(record) <= 24 + 63296 for record in out.records)
    assert len(out.records) > 4
    carry(out, b, back)
    assert b.packets == packets


def test_a_super_packet_behind_small_ones_loses_nothing() -> None:
    a, b, out, back = pair()
    big = udp4(62900, 7)
    packets = [udp4(10, 1), udp4(10, 2), big, udp4(10, 3), big, big, udp6(10, 4)]
    a.send(*packets)
    carry(out, b, back)
    assert b.packets == packets
    assert b.drops == {}


def test_a_packet_longer_than_a_record_is_dropped_and_counted() -> None:
    a, b, out, back = pair()
    a.send(udp4(65500), udp4(10))
    carry(out, b, back)
    assert b.packets == [udp4(10)]
    assert a.drops == {"oversized": 1}


def test_a_record_longer_than_a_datagram_says_that_it_is_cut() -> None:
    a, _, out, _ = pair()
    a.send(udp4(100))
    a.send(udp4(1372))
    whole, cut = (HEADER.unpack_from(record) for record in out.records)
    assert not whole[2] & 0x04
    assert cut[2] & 0x04


def test_the_virtio_header_travels_with_a_super_packet() -> None:
    a, b, out, back = pair()
    packet = raw(IP(src=A4, dst=B4) / TCP(sport=1, dport=2, flags="A") / Raw(bytes(5000)))
    vnet = struct.pack("<BBHHHH", NEEDS_CSUM, GSO_TCPV4, 40, 1348, 20, 16)
    a.send(packet, vnet=vnet)
    carry(out, b, back)
    assert b.tun_out == [vnet + packet]


@pytest.mark.parametrize(
    ("vnet", "packet"),
    [
        ((NEEDS_CSUM, GSO_TCPV4, 40, 1, 20, 16), raw(IP(src=A4, dst=B4) / TCP() / Raw(bytes(500)))),
        ((0, GSO_TCPV4, 40, 1348, 20, 16), raw(IP(src=A4, dst=B4) / TCP() / Raw(bytes(500)))),
        ((NEEDS_CSUM, GSO_TCPV6, 40, 1348, 20, 16), raw(IP(src=A4, dst=B4) / TCP() / Raw(bytes(500)))),
        ((NEEDS_CSUM, GSO_TCPV4, 40, 1348, 400, 16), raw(IP(src=A4, dst=B4) / TCP() / Raw(bytes(500)))),
        ((NEEDS_CSUM, GSO_UDP_L4, 28, 500, 20, 6), raw(IP(src=A4, dst=B4) / TCP() / Raw(bytes(500)))),
        ((NEEDS_CSUM, 77, 28, 500, 20, 6), udp4(500)),
    ],
)
def test_a_virtio_header_that_lies_never_reaches_the_kernel(vnet: tuple[int, ...], packet: bytes) -> None:
    a, b, out, back = pair()
    a.send(packet, vnet=struct.pack("<BBHHHH", *vnet))
    carry(out, b, back)
    assert b.tun_out == []
    assert b.drops == {"malformed": 1}


@pytest.mark.parametrize("packet", [udp4(10, source="10.8.0.9"), udp6(10, source="fd00:8::9"), udp4(10, source="127.0.0.1")])
def test_a_peer_may_send_only_from_its_allowed_prefixes(packet: bytes) -> None:
    a, b, out, back = pair()
    a.send(packet, udp4(10))
    carry(out, b, back)
    assert b.packets == [udp4(10)]
    assert b.drops == {"bad_source": 1}


def test_a_prefix_that_is_taken_away_is_refused_at_once() -> None:
    a, b, out, back = pair()
    a.send(udp4(10))
    carry(out, b, back)
    b.allow("a", [])
    a.send(udp4(10))
    carry(out, b, back)
    assert len(b.packets) == 1
    assert b.drops == {"bad_source": 1}


def test_a_packet_for_nobody_is_counted() -> None:
    a, _, out, _ = pair()
    a.send(udp4(10, destination="10.9.0.1"), udp6(10, destination="fd00:9::1"))
    assert out.records == []
    assert a.drops == {"no_route": 2}


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_packet_for_many_is_counted_as_such(scheduled: bool) -> None:
    a, _, out, _ = pair()
    if scheduled:
        a.schedule(Scheduling(), lambda: 0.0)
    to_many = [udp4(10, destination=to) for to in ("224.0.0.1", "239.255.255.250", "255.255.255.255")]
    a.send(*to_many, udp6(10, destination="ff02::1"), udp4(10, destination="240.0.0.1"))
    assert out.records == []
    assert a.drops == {"multicast": 4, "no_route": 1}


def test_what_is_for_many_goes_by_a_prefix_that_means_them_and_by_no_wider_one() -> None:
    a, b, out, back = pair()
    a.route({"0.0.0.0/0": "b", "::/0": "b"})
    packets = [udp4(10, destination=to) for to in ("224.0.0.251", "255.255.255.255")] + [udp6(10, destination="ff02::fb")]
    a.send(*packets)
    assert out.records == []
    assert a.drops == {"multicast": 3}
    a.route({"0.0.0.0/0": "b", "224.0.0.251/32": "b", "255.255.255.255/32": "b", "::/0": "b", "ff02::fb/128": "b"})
    a.send(*packets)
    carry(out, b, back)
    assert b.packets == packets
    assert a.drops == {"multicast": 3}


def test_traffic_waits_for_its_session_within_bounds_and_asks_once() -> None:
    a, b = Host("a"), Host("b")
    a.peer("b", ["10.8.0.2/32"])
    b.peer("a", ["10.8.0.1/32"])
    a.route({"10.8.0.2/32": "b"})
    packets = [udp4(20, mark) for mark in range(200)]
    a.send(*packets)
    assert a.wanted == ["b"]
    out, back = join(a, b)
    carry(out, b, back)
    assert b.packets == packets[-128:]
    assert a.drops == {"no_session": 72}


def hub() -> tuple[Host, Host, Host]:
    a, h, c = Host("a"), Host("h"), Host("c")
    a.peer("h", ["10.8.0.0/24", "fd00:8::/64"])
    c.peer("h", ["10.8.0.0/24", "fd00:8::/64"])
    h.peer("a", ["10.8.0.1/32", "fd00:8::1/128"])
    h.peer("c", ["10.8.0.2/32", "fd00:8::2/128"])
    a.route({"10.8.0.0/24": "h", "fd00:8::/64": "h"})
    h.route({"10.8.0.1/32": "a", "fd00:8::1/128": "a", "10.8.0.2/32": "c", "fd00:8::2/128": "c"})
    h.world.hub = True
    return a, h, c


def test_a_hub_passes_packets_from_peer_to_peer_and_spends_a_hop() -> None:
    a, h, c = hub()
    up, down = join(a, h, index=5)
    onward, back = join(h, c, index=7)
    a.send(udp4(50), udp6(50), udp4(9, destination="10.8.0.99"))
    carry(up, h, down)
    assert h.packets == [udp4(9, destination="10.8.0.99")]
    assert len(onward.records) == 1
    carry(onward, c, back)
    assert c.packets == [udp4(50, ttl=63), udp6(50, hops=63)]


@pytest.mark.parametrize("packet", [udp4(9, ttl=1), udp4(9, ttl=0), udp6(9, hops=1)])
def test_a_hub_honours_the_hop_limit(packet: bytes) -> None:
    a, h, c = hub()
    up, down = join(a, h, index=5)
    onward, _ = join(h, c, index=7)
    a.send(packet)
    carry(up, h, down)
    assert onward.records == []
    assert h.drops == {"hop_limit": 1}


def test_a_node_that_is_no_hub_leaves_forwarding_to_the_kernel() -> None:
    a, h, c = hub()
    h.world.hub = False
    up, down = join(a, h, index=5)
    onward, _ = join(h, c, index=7)
    a.send(udp4(50))
    carry(up, h, down)
    assert h.packets == [udp4(50)]
    assert onward.records == []


def test_counters_tell_packets_and_inner_bytes() -> None:
    a, b, out, back = pair()
    packets = [udp4(20), udp6(30)]
    a.send(*packets)
    carry(out, b, back)
    inner = sum(map(len, packets))
    row = base(5)
    assert list(a.world.counters[row : row + ROW])[3:6] == [2, inner, 1]
    assert list(b.world.counters[row : row + ROW])[:3] == [2, inner, 1]


def test_empty_virtio_header_is_what_a_plain_packet_has() -> None:
    a, b, out, back = pair()
    a.send(udp4(10))
    carry(out, b, back)
    assert b.tun_out[0][:10] == NO_VNET
