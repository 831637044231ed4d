"""Errors about packets that got no further: a hub's time exceeded, and what is too long for a record."""

from __future__ import annotations

import ipaddress

import pytest
from rigs.dataplane import Host, Wire, carry, join, pair
from rigs.packets import A4, A6, B4, B6, udp4, udp6
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrFragment
from scapy.packet import Packet, Raw, raw

from appliance.dataplane.icmp import Icmp

HUB4, HUB6 = "10.8.0.100", "fd00:8::100"


def use(host: Host, *addresses: str) -> None:
    host.world.icmp.use(ipaddress.ip_interface(address) for address in addresses)


class Way:
    """a ── h ── c: what a sends for c comes to the hub h."""

    def __init__(self, *own: str) -> None:
        self.a, self.h, c = Host("a"), Host("h"), Host("c")
        self.a.peer("h", ["10.8.0.0/24", "fd00:8::/64"])
        c.peer("h", ["10.8.0.0/24", "fd00:8::/64"])
        self.h.peer("a", ["0.0.0.0/0", "::/0"])
        self.h.peer("c", [f"{B4}/32", f"{B6}/128"])
        self.a.route({"10.8.0.0/24": "h", "fd00:8::/64": "h"})
        self.h.route({"0.0.0.0/0": "a", "::/0": "a", f"{B4}/32": "c", f"{B6}/128": "c"})
        self.h.world.hub = True
        use(self.h, *(own or ("192.0.2.1/32", f"{HUB4}/24", f"{HUB6}/64")))
        self.up, self.down = join(self.a, self.h, index=5)
        self.onward, _ = join(self.h, c, index=7)

    def send(self, *packets: bytes) -> list[bytes]:
        """What comes back to a."""
        before = len(self.a.packets)
        self.a.send(*packets)
        carry(self.up, self.h, self.down)
        carry(self.down, self.a, self.up)
        assert self.onward.records == []
        return self.a.packets[before:]


def sound(packet: bytes, layer: type[Packet]) -> Packet:
    """`packet` taken apart; its checksums and lengths are what scapy computes for the same."""
    parsed = (IP if layer is IP else IPv6)(packet)
    again = parsed.copy()
    for field in ("chksum", "len"):
        if layer is IP:
            delattr(again[IP], field)
    if layer is IP:
        del again[ICMP].chksum
    else:
        del again[IPv6].plen
        del again[IPv6].payload.cksum
    assert raw(again) == packet
    return parsed


def test_a_hub_tells_the_sender_that_no_hops_are_left() -> None:
    packet = udp4(600, ttl=1)
    (answer,) = Way().send(packet)
    told = sound(answer, IP)
    assert (told.src, told.dst) == (HUB4, A4)  # of two own addresses the one in the sender's network
    assert (told[ICMP].type, told[ICMP].code) == (11, 0)
    assert len(answer) == 576
    assert answer[28:] == packet[: 576 - 28]


def test_and_so_in_ipv6() -> None:
    packet = udp6(2000, hops=1)
    (answer,) = Way().send(packet)
    told = sound(answer, IPv6)
    assert (told.src, told.dst) == (HUB6, A6)
    assert (told[ICMPv6TimeExceeded].type, told[ICMPv6TimeExceeded].code) == (3, 0)
    assert len(answer) == 1280
    assert answer[48:] == packet[: 1280 - 48]


def test_short_packets_come_back_whole() -> None:
    packets = udp4(0, ttl=1), udp6(0, hops=0)
    four, six = Way().send(*packets)
    assert (four[28:], six[48:]) == packets


def fragment6(offset: int) -> bytes:
    extension = IPv6ExtHdrFragment(nh=17, offset=offset, m=1, id=7)
    return raw(IPv6(src=A6, dst=B6, hlim=1) / extension / UDP(sport=1, dport=2) / Raw(bytes(16)))


SILENT = {
    "a later fragment": raw(IP(src=A4, dst=B4, ttl=1, frag=10) / Raw(bytes(40))),
    "an error": raw(IP(src=A4, dst=B4, ttl=1) / ICMP(type=11) / Raw(bytes(28))),
    "cut short": raw(IP(src=A4, dst=B4, ttl=1, proto=17) / Raw(bytes(4))),
    "a later fragment of IPv6": fragment6(3),
    "an error of IPv6": raw(IPv6(src=A6, dst=B6, hlim=1) / ICMPv6TimeExceeded() / Raw(bytes(40))),
    "an endless extension header": raw(IPv6(src=A6, dst=B6, hlim=1, nh=0) / Raw(b"\x00\xff" + bytes(6))),
}


@pytest.mark.parametrize("packet", SILENT.values(), ids=SILENT.keys())
def test_about_some_packets_nothing_may_be_said(packet: bytes) -> None:
    way = Way()
    assert way.send(packet) == []
    assert way.h.drops == {"hop_limit": 1}


@pytest.mark.parametrize("source", ["255.255.255.255", "224.0.0.5", "0.0.0.0", "127.0.0.1", "ff02::1", "::"])
def test_nothing_is_said_to_no_single_sender(source: str) -> None:
    """This host's own packets come by the TUN, where no source is judged."""
    icmp = Icmp(lambda: None)
    icmp.use(map(ipaddress.ip_interface, [f"{HUB4}/24", f"{HUB6}/64"]))
    packet = (udp6 if ":" in source else udp4)(1400, source=source)
    assert icmp.too_big(memoryview(bytes(10) + packet), 1280, 0) is None


@pytest.mark.parametrize(
    "packet",
    [
        raw(IP(src=A4, dst=B4, ttl=1) / ICMP(type=8) / Raw(bytes(8))),
        raw(IPv6(src=A6, dst=B6, hlim=1) / ICMPv6EchoRequest()),
        fragment6(0),
    ],
    ids=["echo", "echo of IPv6", "first fragment of IPv6"],
)
def test_about_others_it_is(packet: bytes) -> None:
    assert len(Way().send(packet)) == 1


def test_a_node_without_an_address_of_that_family_says_nothing() -> None:
    way = Way(f"{HUB4}/24")
    assert len(way.send(udp4(9, ttl=1), udp6(9, hops=1))) == 1
    assert way.h.drops == {"hop_limit": 2}


def test_errors_are_not_a_flood() -> None:
    way = Way()
    assert len(way.send(*[udp4(9, mark, ttl=1) for mark in range(80)])) == 50
    assert way.h.drops == {"hop_limit": 80, "icmp_limited": 30}
    way.h.world.now = 100
    assert len(way.send(*[udp4(9, mark, ttl=1) for mark in range(80)])) == 5


def test_the_limit_outlives_the_clocks_wrap() -> None:
    way = Way()
    way.h.world.now = 0xFFFFFFFF
    way.send(*[udp4(9, mark, ttl=1) for mark in range(80)])
    way.h.world.now = 999
    assert len(way.send(*[udp4(9, mark, ttl=1) for mark in range(80)])) == 50


def test_nothing_is_said_to_a_peer_without_a_session_to_send_on() -> None:
    way = Way()
    way.h.world.peers["a"].session = None
    assert way.send(udp4(9, ttl=1)) == []


def too_long() -> tuple[Host, Wire]:
    a, _, out, _ = pair()
    use(a, f"{A4}/24", f"{A6}/64")
    return a, out


def test_a_packet_longer_than_a_record_is_too_big() -> None:
    a, out = too_long()
    a.send(udp4(65500), udp6(65480))
    four, six = sound(a.packets[0], IP), sound(a.packets[1], IPv6)
    assert (four.src, four.dst, four[ICMP].type, four[ICMP].code) == (A4, A4, 3, 4)
    mtu = four[ICMP].nexthopmtu
    assert six[ICMPv6PacketTooBig].mtu == mtu
    assert a.drops == {"oversized": 2}
    a.send(udp4(mtu - 28))
    assert a.drops == {"oversized": 2}
    assert len(out.records) == 1
    a.send(udp4(mtu - 27))
    assert a.drops == {"oversized": 3}
