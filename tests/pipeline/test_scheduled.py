"""The sending half with traffic classes, against a whole receiving node: what goes first, what waits, what is counted."""

from __future__ import annotations

import struct

import pytest
from rigs.dataplane import Host, Wire, carry, join, pair
from rigs.packets import A4, B4, udp4, udp6
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw, raw

from appliance.dataplane import counters as layout
from appliance.dataplane.classes import rule_from
from appliance.dataplane.scheduled import DRAIN, Scheduled, Scheduling
from appliance.dataplane.scheduler import Limits
from appliance.dataplane.vnet import split
from appliance.wire.entries import GSO_TCPV4, NEEDS_CSUM

EF, CS1 = 0xB8, 0x20
USUAL = Scheduling()
VNET = bytes(10)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def packet(tos: int, size: int = 1000, mark: int = 0, to: str = B4) -> bytes:
    return raw(IP(src=A4, dst=to, tos=tos) / UDP(sport=1000 + mark, dport=9) / Raw(bytes([mark & 255]) * size))


def bulk(mark: int = 0, size: int = 60000) -> bytes:
    return packet(CS1, size, mark)


class Pair:
    """Hosts a and b; a schedules what it sends."""

    def __init__(self, settings: Scheduling = USUAL) -> None:
        self.clock = Clock()
        self.a, self.b, self.ab, self.ba = pair()
        self.scheduled: Scheduled = self.a.schedule(settings, self.clock)

    def fill(self, *packets: bytes, vnet: bytes = VNET) -> None:
        self.a.tun_in.extend(vnet + each for each in packets)
        while self.a.tun_in:
            assert self.a.outbound.pump()

    def serve(self) -> float:
        assert self.a.outbound.serve is not None
        return self.a.outbound.serve()

    def serve_all(self) -> None:
        while (wait := self.serve()) >= 0:
            self.clock.now += wait

    def arrived(self) -> list[bytes]:
        carry(self.ab, self.b, self.ba)
        return self.b.packets

    def figures(self) -> dict[str, list[int]]:
        return layout.classes(self.a.world.counters)


def test_an_interactive_packet_overtakes_what_waits() -> None:
    two = Pair()
    two.fill(*(bulk(mark) for mark in range(20)), packet(0, mark=50), packet(EF, mark=99))
    assert two.serve() == 0
    assert two.arrived()[0] == packet(EF, mark=99)
    two.serve_all()
    assert two.arrived().index(packet(0, mark=50)) < 7, "the class normal has four fifths"
    assert [each for each in two.arrived() if each[1] == CS1] == [bulk(mark) for mark in range(20)]
    assert two.a.drops == {}


def test_what_waits_goes_in_a_few_records_a_turn() -> None:
    two = Pair()
    two.fill(*(bulk(mark) for mark in range(9)))
    waits = [two.serve(), two.serve(), two.serve()]
    assert waits == [0, 0, -1]
    assert len(two.ab.records) == 9


def test_small_packets_of_a_class_share_a_record_and_classes_do_not() -> None:
    two = Pair()
    two.fill(*(packet(EF, 50, mark) for mark in range(10)), *(packet(0, 50, mark) for mark in range(10)))
    assert two.serve() == -1
    assert len(two.ab.records) == 2
    assert two.arrived() == [packet(tos, 50, mark) for tos in (EF, 0) for mark in range(10)]


def test_ipv6_has_classes_as_well() -> None:
    two = Pair()
    marked = raw(IPv6(src="fd00:8::1", dst="fd00:8::2", tc=EF) / UDP(dport=9) / Raw(b"x"))
    two.fill(*(udp6(40000, mark) for mark in range(5)), marked)
    two.serve_all()
    assert two.arrived()[0] == marked
    assert two.figures()["interactive"][0] == 1


def test_rules_of_the_profile_come_before_dscps() -> None:
    two = Pair(Scheduling(rules=(rule_from({"class": "interactive", "protocol": 17, "ports": [(1007, 1007)]}),)))
    two.fill(packet(EF, mark=1), packet(0, mark=2), packet(CS1, mark=7))
    two.serve_all()
    assert two.figures()["interactive"][:2] == [2, 2056]
    assert two.arrived()[:2] == [packet(EF, mark=1), packet(CS1, mark=7)]


def test_the_worker_reads_the_tun_in_bounded_turns() -> None:
    two = Pair()
    two.a.tun_in.extend([VNET + packet(0)] * (DRAIN + 5))
    two.a.outbound.pump()
    assert len(two.a.tun_in) == 5


def test_a_full_link_keeps_its_peers_waiting_and_nobody_else() -> None:
    two = Pair()
    two.a.peer("c", ["10.8.0.3/32"])
    two.a.route({"10.8.0.2/32": "b", "10.8.0.3/32": "c"})
    c = Host("c")
    c.peer("a", ["10.8.0.1/32"])
    c.route({"10.8.0.1/32": "a"})
    ac, ca = join(two.a, c, index=7)
    two.a.world.blocked.add(two.ab)
    two.fill(packet(0, mark=1), packet(0, mark=2, to="10.8.0.3"), packet(0, mark=3))
    assert two.serve() == -1, "nothing to do until the link is clear"
    assert two.ab.records == []
    carry(ac, c, ca)
    assert c.packets == [packet(0, mark=2, to="10.8.0.3")]
    two.a.world.blocked.clear()
    assert two.serve() == -1
    assert two.arrived() == [packet(0, mark=1), packet(0, mark=3)]
    assert two.a.drops == {}


def test_when_a_record_fills_the_link_the_rest_waits() -> None:
    two = Pair()
    two.ab.congested = True
    two.fill(*(bulk(mark) for mark in range(3)))
    two.serve()
    assert len(two.ab.records) == 1
    two.ab.congested = False
    two.a.world.blocked.clear()
    two.serve_all()
    assert two.arrived() == [bulk(mark) for mark in range(3)]
    assert two.a.drops == {}


def test_packets_that_wait_survive_the_change_of_a_session() -> None:
    two = Pair()
    peer = two.a.world.peers["b"]
    two.fill(packet(0, mark=1), packet(0, mark=2))
    session, peer.session = peer.session, None
    two.serve()
    two.fill(packet(0, mark=3))
    assert two.a.wanted == ["b"]
    assert two.ab.records == []
    peer.session = session
    two.a.outbound.release(peer)
    assert peer.waiting_bytes == 0
    two.serve_all()
    assert two.arrived() == [packet(0, mark=mark) for mark in (1, 2, 3)]


@pytest.mark.parametrize("size", [200, 1300, 30000])
def test_a_peer_gets_no_more_than_its_rate(size: int) -> None:
    two = Pair()
    two.scheduled.limit(two.a.world.peers["b"], 1_000_000)
    sent, twice_the_rate = 0, [packet(0, size)] * (10_000 // size + 1)
    for _ in range(400):
        two.clock.now += 0.005
        two.fill(*twice_the_rate)
        two.serve()
        sent = two.figures()["normal"][1]
    assert sent == pytest.approx(2_000_000, rel=0.05)
    two.arrived()
    assert two.a.drops["over_rate"] == two.figures()["normal"][2] > 0


def test_a_peer_above_its_rate_says_when_to_come_back() -> None:
    two = Pair()
    two.scheduled.limit(two.a.world.peers["b"], 100_000)
    two.fill(*(packet(0, 1400, mark) for mark in range(30)))
    while (wait := two.serve()) == 0:
        pass
    assert 0 < wait < 0.02
    waited = len(two.arrived())
    assert waited < 30
    two.clock.now += wait
    two.serve()
    assert len(two.arrived()) == waited + 1


def test_a_super_packet_to_a_slow_peer_goes_in_pieces() -> None:
    two = Pair()
    two.scheduled.limit(two.a.world.peers["b"], 5_000_000)
    payload = bytes(i * 7 & 255 for i in range(40_000))
    whole = raw(IP(src=A4, dst=B4, id=7) / TCP(sport=1, dport=2, seq=5) / Raw(payload))
    vnet = struct.pack("<BBHHHH", NEEDS_CSUM, GSO_TCPV4, 40, 1360, 20, 16)
    two.fill(whole, vnet=vnet)
    two.serve_all()
    two.arrived()
    assert len(two.b.tun_out) == 5
    assert all(len(entry) <= 10_000 for entry in two.b.tun_out)
    assert [each for entry in two.b.tun_out for each in split(memoryview(entry))] == split(memoryview(vnet + whole))


def test_a_hub_passes_packets_on_in_order_of_class() -> None:
    two = Pair()
    two.a.peer("c", ["10.8.0.3/32"])
    two.a.route({"10.8.0.2/32": "b", "10.8.0.3/32": "c"})
    two.a.world.hub = True
    c = Host("c")
    c.peer("a", ["10.8.0.1/32", "10.8.0.2/32"])
    c.route({"10.8.0.2/32": "a"})
    ac, ca = join(two.a, c, index=7)
    two.b.route({"10.8.0.0/24": "a"})
    from_b = [raw(IP(src=B4, dst="10.8.0.3", tos=tos) / UDP(dport=9) / Raw(b"x")) for tos in (CS1, 0, EF)]
    two.b.send(*from_b)
    carry(two.ba, two.a, two.ab)
    assert ac.records == []
    two.serve_all()
    carry(ac, c, ca)
    assert [each[1] for each in c.packets] == [EF, 0, CS1]
    assert two.a.tun_out == []


def test_messages_go_past_the_queues() -> None:
    two = Pair()
    two.fill(*(bulk(mark) for mark in range(4)))
    session = two.a.world.peers["b"].session
    assert session is not None
    two.a.outbound.message(session, 6, 0, b"still here")
    carry(two.ab, two.b, two.ba)
    assert two.b.heard.messages == [(5, 6, 0, b"still here")]
    assert two.b.packets == []


def test_what_has_no_room_is_counted_by_class_and_reason() -> None:
    two = Pair(Scheduling(limits=Limits(200_000, 100, 1_000_000)))
    two.fill(*(bulk(mark) for mark in range(5)), packet(EF))
    assert two.a.drops == {"queue_full": 2}
    assert two.figures()["bulk"][2] == 2
    two.serve()
    packets, octets, dropped, marked, queued = two.figures()["bulk"]
    assert (packets, octets, dropped, marked, queued) == (3, 180_084, 2, 0, 0)


def test_what_waited_too_long_is_counted() -> None:
    two = Pair()
    two.fill(*(bulk(mark) for mark in range(60)))
    for _ in range(14):
        two.clock.now += 0.05
        two.serve()
    assert two.a.drops["aged"] == two.figures()["bulk"][2] > 0
    assert two.figures()["bulk"][0] + two.figures()["bulk"][2] + two.figures()["bulk"][4] // 60_038 == 60


def test_what_is_not_for_a_peer_is_counted() -> None:
    two = Pair()
    two.fill(packet(0, to="10.9.9.9"), raw(IPv6(src="fd00:8::1", dst="fd99::1") / UDP()))
    assert two.a.drops == {"no_route": 2}


def test_when_another_sending_half_takes_over_nothing_is_left_behind() -> None:
    two = Pair()
    two.scheduled.limit(two.a.world.peers["b"], 1000)
    two.fill(*(packet(tos, 500, mark) for mark, tos in enumerate((EF, 0, CS1) * 40)))
    two.serve()
    two.scheduled.drain()
    assert len(two.arrived()) == 120
    assert two.a.world.peers["b"].lane is None


def test_the_memory_of_large_packets_is_used_again() -> None:
    """And not while it is still in use."""
    two = Pair()
    for start in range(0, 60, 3):
        two.fill(*(bulk(mark) for mark in range(start, start + 3)))
        two.serve_all()
    assert two.arrived() == [bulk(mark) for mark in range(60)]


def test_scheduling_costs_no_order_within_a_class() -> None:
    two = Pair()
    packets = [udp4((60, 1400, 9000, 40000)[mark % 4], mark) for mark in range(200)]
    for at in range(0, 200, 7):
        two.fill(*packets[at : at + 7])
        two.serve()
    two.serve_all()
    assert two.arrived() == packets


def test_a_wire_that_is_narrow_gets_records_that_fit_it() -> None:
    two = Pair()
    narrow = Wire(record_bytes=3000)
    narrow.transmit_buffer = two.a.tx
    session = two.a.world.peers["b"].session
    assert session is not None
    session.link = narrow  # type: ignore[assignment]
    two.fill(*(packet(0, 900, mark) for mark in range(10)))
    two.serve_all()
    assert all(len(record) <= 24 + 3000 for record in narrow.records)
    carry(narrow, two.b, two.ba)
    assert two.b.packets == [packet(0, 900, mark) for mark in range(10)]


def test_what_no_record_has_room_for_is_refused_at_once() -> None:
    two = Pair()
    two.fill(packet(0, 65_535 - 28))
    assert two.a.drops == {"oversized": 1}
    session = two.a.world.peers["b"].session
    assert session is not None
    two.a.outbound.forward(session, memoryview(VNET + packet(0, 65_535 - 28)))
    assert two.a.drops == {"oversized": 2}
    assert two.serve() == -1
