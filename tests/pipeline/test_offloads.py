"""Virtio headers of a hostile peer and of an honest kernel: what may reach the kernel, and what it can make the kernel write."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rigs.dataplane import NO_VNET, carry, hub, join, pair
from rigs.packets import A4, A6, B4, B6, udp4, udp6
from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw, raw

from appliance.dataplane.vnet import cut, settle, split
from appliance.wire.entries import GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM

FIELDS = struct.Struct("<BBHHHH")


def vnet(start: int, offset: int, *, flags: int = NEEDS_CSUM, gso: int = GSO_NONE, hdr: int = 0, size: int = 0) -> bytes:
    return FIELDS.pack(flags, gso, hdr, size, start, offset)


def through(packet: bytes, header: bytes) -> tuple[list[bytes], dict[str, int]]:
    """What comes out of the receiver's TUN of a packet sent with this virtio header, and what it dropped."""
    a, b, out, back = pair()
    a.send(packet, vnet=header)
    carry(out, b, back)
    assert b.heard.raised == []
    return b.tun_out, b.drops


# ---- headers that are not there ----

NO_DATA_OFFSET = bytearray(raw(IP(src=A4, dst=B4) / TCP() / Raw(bytes(29))))
NO_DATA_OFFSET[32] = 0
TCP4 = raw(IP(src=A4, dst=B4) / TCP() / Raw(bytes(500)))
FRAGMENT4 = raw(IP(src=A4, dst=B4, frag=9, proto=6) / Raw(bytes(500)))
LIES = {
    "a TCP header of no bytes": (bytes(NO_DATA_OFFSET), vnet(20, 16, gso=GSO_TCPV4, size=48)),
    "a TCP header longer than the packet": (raw(IP(src=A4, dst=B4) / TCP(dataofs=15)), vnet(20, 16, gso=GSO_TCPV4, size=48)),
    "nothing behind the headers": (raw(IP(src=A4, dst=B4) / TCP()), vnet(20, 16, gso=GSO_TCPV4, size=48)),
    "headers longer than the packet": (TCP4, vnet(20, 16, gso=GSO_TCPV4, hdr=65535, size=48)),
    "a later fragment": (FRAGMENT4, vnet(20, 16, gso=GSO_TCPV4, size=100)),
    "UDP with TCP's ECN": (udp4(500), vnet(20, 6, gso=GSO_UDP_L4 | GSO_ECN, size=100)),
    "IPv4 options that are not there": (b"\x4f" + udp4(5)[1:], NO_VNET),
}


@pytest.mark.parametrize(("packet", "header"), LIES.values(), ids=LIES.keys())
def test_what_is_not_in_the_packet_is_refused(packet: bytes, header: bytes) -> None:
    assert through(packet, header) == ([], {"malformed": 1})


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    """Any virtio header before any packet, often nearly right ones."""
    packet = bytearray(draw(st.sampled_from([TCP4, udp4(200), udp6(200), raw(IPv6(src=A6, dst=B6) / TCP() / Raw(bytes(90)))])))
    for _ in range(draw(st.integers(0, 4))):
        packet[draw(st.integers(1, 60))] = draw(st.integers(0, 255))
    del packet[draw(st.integers(40, len(packet))) :]
    near = st.sampled_from([0, 6, 16, 20, 40, 48, 100, 65535]) | st.integers(0, 65535)
    gso = st.sampled_from([GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GSO_TCPV4 | GSO_ECN]) | st.integers(0, 255)
    header = FIELDS.pack(draw(st.sampled_from([0, 1, 2, 255])), draw(gso), *(draw(near) for _ in range(4)))
    return header + bytes(packet)


@given(entry=entries(), most=st.integers(1, 3000))
@example(vnet(20, 16, gso=GSO_TCPV4, hdr=65535, size=48) + bytes(NO_DATA_OFFSET), 100)
def test_what_is_let_through_can_be_cut_in_software(entry: bytes, most: int) -> None:
    judged = memoryview(bytearray(entry))
    if settle(judged):
        pieces = [piece for part in cut(judged, most) for piece in split(memoryview(part))]
        assert pieces, "and nothing vanishes"
        assert all(len(piece) >= 30 for piece in pieces)


@given(entry=entries())
def test_no_checksum_is_written_where_addresses_and_ports_are(entry: bytes) -> None:
    """What the kernel does with a header that asks for a checksum, done to what came through."""
    judged = memoryview(bytearray(entry))
    if not settle(judged):
        return
    flags, _, _, _, start, offset = FIELDS.unpack_from(judged)
    before = 40 if judged[10] >= 0x60 else (judged[10] & 15) * 4
    assert bytes(judged[10 : 10 + min(before, 20) + 4]) == entry[10 : 10 + min(before, 20) + 4]
    if flags & NEEDS_CSUM:
        assert start >= before
        assert offset in (6, 16)


# ---- checksums of an ordinary packet ----


@pytest.mark.parametrize("start", [0, 4, 8, 12, 18, 20, 22, 24, 36, 38, 42, 60, 30000])
@pytest.mark.parametrize("offset", [0, 2, 6, 8, 16, 20])
@pytest.mark.parametrize("packet", [udp4(100), udp6(100), TCP4])
def test_a_checksum_that_is_not_the_packets_own_is_not_asked_for(packet: bytes, start: int, offset: int) -> None:
    own = (20 if packet[0] == 0x45 else 40, 16 if packet is TCP4 else 6)
    if (start, offset) == own:
        return
    (entry,), drops = through(packet, vnet(start, offset))
    assert entry[:10] == NO_VNET
    headers = own[0] + 8
    assert entry[10 : 10 + headers] == packet[:headers], "and nothing is written over the headers"
    assert drops == {}


OPTIONS4 = raw(IP(src=A4, dst=B4, options=[IPOption_NOP()] * 4) / UDP(sport=5, dport=6) / Raw(bytes(40)))
OPTIONS6 = IPv6(src=A6, dst=B6) / IPv6ExtHdrDestOpt()
KERNELS = {
    "UDP": (udp4(100), vnet(20, 6)),
    "TCP": (TCP4, vnet(20, 16)),
    "UDP over IPv6": (udp6(100), vnet(40, 6)),
    "UDP behind IPv4 options": (OPTIONS4, vnet(24, 6)),
    "TCP behind destination options": (raw(OPTIONS6 / TCP()), vnet(48, 16)),
    "a TCP super-packet behind destination options": (
        raw(OPTIONS6 / TCP() / Raw(bytes(3000))),
        vnet(48, 16, gso=GSO_TCPV6, hdr=68, size=1300),
    ),
    "forwarded and verified": (udp4(100), vnet(0, 0, flags=2)),
    "nothing to do": (udp4(100), NO_VNET),
}


@pytest.mark.parametrize(("packet", "header"), KERNELS.values(), ids=KERNELS.keys())
def test_what_kernels_ask_for_stays(packet: bytes, header: bytes) -> None:
    assert through(packet, header) == ([header + packet], {})


def test_a_super_packet_behind_extension_headers_is_cut_as_it_should_be() -> None:
    packet, header = KERNELS["a TCP super-packet behind destination options"]
    parsed = [IPv6(piece[10:]) for piece in split(memoryview(header + packet))]
    assert [len(piece[TCP].payload) for piece in parsed] == [1300, 1300, 400]
    for piece in parsed:
        again = IPv6(raw(piece))
        again[TCP].chksum = again.plen = None
        assert raw(again) == raw(piece)


# ---- checksums inside of tunnels ----

INNER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="172.16.0.1", dst="172.16.0.2")
TUNNELS: dict[str, Packet] = {
    "TCP in VXLAN": IP(src=A4, dst=B4) / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=5) / INNER / TCP() / Raw(b"odd"),
    "UDP in VXLAN over IPv6": IPv6(src=A6, dst=B6) / UDP(sport=50000, dport=4789) / VXLAN(vni=5) / INNER / UDP() / Raw(b"even"),
    "TCP in GRE": IP(src=A4, dst=B4) / GRE() / INNER[IP] / TCP() / Raw(bytes(900)),
    "UDP in IP in IP": IP(src=A4, dst=B4) / INNER[IP] / UDP() / Raw(bytes(1200)),
}


def left_to_the_device(whole: Packet) -> tuple[bytes, bytes, int]:
    """A tunnel's packet as kernels since 6.17 give it to a TUN: the innermost checksum is the sum of its pseudo-header. With the
    virtio header that says so, and where that checksum is."""
    sound = whole.__class__(raw(whole))
    layer = TCP if TCP in sound else UDP
    transport = sound.getlayer(layer, 2) or sound.getlayer(layer, 1)
    inner = raw(transport.underlayer)
    start = len(raw(sound)) - len(raw(transport))
    protocol, offset = (6, 16) if layer is TCP else (17, 6)
    pseudo = inner[12:20] + struct.pack("!HH", protocol, len(raw(transport)))
    total = sum(struct.unpack("!6H", pseudo))
    packet = bytearray(raw(sound))
    packet[start + offset : start + offset + 2] = ((total & 0xFFFF) + (total >> 16)).to_bytes(2, "big")
    return bytes(packet), vnet(start, offset), start + offset


@pytest.mark.parametrize("whole", TUNNELS.values(), ids=TUNNELS.keys())
def test_a_checksum_inside_of_a_tunnel_is_completed_before_the_kernel_has_it(whole: Packet) -> None:
    packet, header, at = left_to_the_device(whole)
    expected = raw(whole.__class__(raw(whole)))
    assert packet != expected
    (entry,), drops = through(packet, header)
    assert entry[:10] == NO_VNET
    assert entry[10 + at : 12 + at] == expected[at : at + 2]
    assert entry[10:] == expected
    assert drops == {}


def test_a_hub_does_so_too() -> None:
    a, h, c = hub()
    up, down = join(a, h, index=5)
    onward, back = join(h, c, index=7)
    a.send(udp4(100), vnet=vnet(12, 0))
    carry(up, h, down)
    carry(onward, c, back)
    assert c.tun_out == [NO_VNET + udp4(100, ttl=63)]


def test_a_fragment_has_no_checksum_of_its_own() -> None:
    packet = raw(IPv6(src=A6, dst=B6) / IPv6ExtHdrFragment(nh=17, offset=3, id=7) / Raw(bytes(100)))
    (entry,), _ = through(packet, vnet(48, 6))
    assert entry == NO_VNET + packet
