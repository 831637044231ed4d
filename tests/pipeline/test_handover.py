"""Two workers of one node, each with a pipeline: what comes to the wrong one crosses a real socket pair to the right one."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

import pytest
from rigs.dataplane import NO_VNET, Host, Wire, join
from rigs.packets import udp4, udp6

from appliance.dataplane.handover import MAX_MESSAGE, Record, decode_record, encode_record
from appliance.wire.envelope import MAX_BODY_BYTES, PacketType
from appliance.worker.mesh import BUDGET, Mesh

SOURCE = ("192.0.2.7", 40000)


@dataclass
class Worker:
    """One worker of node b: 0 has no session with a, 1 has it."""

    number: int
    host: Host
    ends: dict[int, socket.socket] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mesh = Mesh(self.host.world, self.host.outbound, self.take, lambda _link, _source: (9, "203.0.113.2"))

    def take(self, record: Record) -> None:
        copied = record._replace(header=memoryview(bytes(record.header)), room=memoryview(bytearray(record.room)))
        self.records.append(copied)

    def meet(self, other: Worker) -> None:
        """A socket pair between two workers."""
        self.ends[other.number], other.ends[self.number] = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.mesh.join(other.number, self.ends[other.number])
        other.mesh.join(self.number, other.ends[self.number])

    def hears(self, other: Worker) -> None:
        """One turn's worth of what the other has handed over."""
        self.mesh.receive(self.ends[other.number].fileno())


def node() -> tuple[Worker, Worker, Host, Wire, Wire]:
    """Workers 0 and 1 of node b, the far host a, and the wires b→a and a→b of the session that worker 1 has."""
    workers = [Worker(number, Host("b")) for number in range(2)]
    far = Host("a")
    for host in (workers[0].host, workers[1].host):
        peer = host.peer("a", ["10.8.0.1/32", "fd00:8::1/128"])
        host.route({"10.8.0.1/32": "a", "fd00:8::1/128": "a"})
    far.peer("b", ["10.8.0.2/32", "fd00:8::2/128"])
    far.route({"10.8.0.2/32": "b", "fd00:8::2/128": "b"})
    out, back = join(workers[1].host, far)
    workers[0].meet(workers[1])
    peer = workers[0].host.world.peers["a"]
    peer.elsewhere = workers[0].mesh.packets_to(1)
    workers[0].host.world.elsewhere[5] = workers[0].mesh.records_to(1)
    return workers[0], workers[1], far, out, back


def to_a(version: int, mark: int) -> bytes:
    """A packet from b to a."""
    packet = bytearray(udp4(20, mark) if version == 4 else udp6(20, mark))
    at, size = (12, 4) if version == 4 else (8, 16)
    packet[at : at + size], packet[at + size : at + 2 * size] = packet[at + size : at + 2 * size], packet[at : at + size]
    return bytes(packet)


@pytest.mark.parametrize("version", [4, 6])
def test_packets_that_come_to_the_wrong_worker_leave_by_the_right_one_in_order(version: int) -> None:
    wrong, right, far, out, back = node()
    packets = [to_a(version, mark) for mark in range(40)]
    wrong.host.send(*packets)
    right.hears(wrong)
    assert len(out.records) == 1, "they are gathered into a record"
    far.take(out.records.pop(), back)
    assert far.packets == packets
    assert wrong.host.wanted == []
    assert wrong.host.drops == right.host.drops == {}


def test_what_is_handed_over_is_not_handed_back() -> None:
    wrong, right, _, out, _ = node()
    peer = right.host.world.peers["a"]
    peer.session, peer.elsewhere = None, right.mesh.packets_to(0)
    wrong.host.send(to_a(4, 1))
    right.hears(wrong)
    assert out.records == []
    assert right.host.wanted == ["a"]
    assert [bytes(entry) for entry in peer.waiting] == [NO_VNET + to_a(4, 1)]


def test_a_packet_whose_route_has_gone_is_dropped_by_who_gets_it() -> None:
    wrong, right, _, _, _ = node()
    right.host.route({})
    wrong.host.send(to_a(6, 1))
    right.hears(wrong)
    assert right.host.drops == {"no_route": 1}


def test_a_packet_for_an_address_that_became_ours_meanwhile_goes_to_the_host() -> None:
    wrong, right, _, _, _ = node()
    for version, own in ((4, "10.8.0.1/24"), (6, "fd00:8::1/64")):
        right.host.route({"0.0.0.0/0": "a", "::/0": "a"}, [own])
        wrong.host.send(to_a(version, 1))
        right.hears(wrong)
        assert right.host.packets[-1] == to_a(version, 1)
    assert right.host.drops == {}


def test_a_runt_that_was_handed_over_is_dropped() -> None:
    wrong, right, _, _, _ = node()
    wrong.mesh.packets_to(1)(bytes(12))
    right.hears(wrong)
    assert right.host.drops == {"malformed": 1}


def test_a_record_for_a_session_of_another_worker_is_opened_there() -> None:
    wrong, right, far, out, back = node()
    far.send(udp4(100, 3))
    wrong.host.take(back.records.pop(), back, SOURCE)
    assert wrong.host.heard.unknown == []
    right.hears(wrong)
    [record] = right.records
    assert record[:3] == (9, SOURCE, "203.0.113.2")
    assert right.host.sink_for(out)(record.header, record.room, record.room, record.source)
    assert right.host.packets == [udp4(100, 3)]
    assert right.host.heard.moved == [(5, SOURCE)]


def test_a_keepalive_by_another_path_is_told_with_that_path_and_is_no_move() -> None:
    _, right, far, out, back = node()
    (session,) = far.world.sessions.values()
    for kind in (PacketType.KEEP_ALIVE, PacketType.ACK):
        far.outbound.message(session, kind, 0, bytes(16))
    right.host.take(back.records.pop(), out, SOURCE)
    right.host.take(back.records.pop(), out, SOURCE)
    assert right.host.heard.aside == [(5, SOURCE, PacketType.ACK, True), (5, SOURCE, PacketType.KEEP_ALIVE, False)]
    assert right.host.heard.moved == right.host.heard.messages == []


def test_a_record_of_nobodys_session_is_still_unknown() -> None:
    wrong, _, far, _, back = node()
    wrong.host.world.elsewhere.clear()
    far.send(udp4(100))
    wrong.host.take(back.records.pop(), back)
    assert wrong.host.drops == {"unknown_session": 1}
    assert len(wrong.host.heard.unknown) == 1


@pytest.mark.parametrize("source", [None, SOURCE, ("2001:db8:1234:5678:9abc:def0:1234:5678", 65535)])
@pytest.mark.parametrize("local", [None, "fe80::1"])
def test_the_longest_record_survives_its_message(source: Any, local: str | None) -> None:
    header, body = bytes(range(24)), bytes(MAX_BODY_BYTES)
    message = b"".join(encode_record(2**32 - 1, source, local, header, body))
    assert len(message) <= MAX_MESSAGE
    assert decode_record(memoryview(message)) == (2**32 - 1, source, local, header, body)


def test_a_worker_that_does_not_keep_up_costs_packets_and_nobodys_time() -> None:
    wrong, right, _, _, _ = node()
    while "handover_busy" not in wrong.host.drops:
        wrong.host.send(*[to_a(4, 1)] * 100)
    before = wrong.host.drops["handover_busy"]
    right.hears(wrong)
    assert right.host.world.sessions[5].sender.number == 1, "a turn has a budget"
    wrong.host.send(*[to_a(4, 2)] * (BUDGET // 2))
    assert wrong.host.drops["handover_busy"] == before


def test_a_worker_that_died_and_the_one_in_its_place() -> None:
    wrong, right, far, out, back = node()
    right.ends[0].close()
    wrong.hears(right)
    wrong.host.send(to_a(4, 1))
    assert wrong.host.drops == {"handover_busy": 1}
    wrong.meet(right)
    wrong.host.send(to_a(4, 2))
    right.hears(wrong)
    far.take(out.records.pop(), back)
    assert far.packets == [to_a(4, 2)]


def test_the_hub_hands_on_what_is_for_another_workers_peer() -> None:
    wrong, right, far, out, back = node()
    third = Host("c")
    third.peer("b", ["10.8.0.1/32"])
    third.route({"10.8.0.1/32": "b"})
    wrong.host.peer("c", ["10.8.0.3/32"])
    wrong.host.world.hub = True
    inward, _ = join(third, wrong.host, index=7)
    packet = bytearray(to_a(4, 1))
    packet[12:16] = bytes([10, 8, 0, 3])
    third.send(bytes(packet))
    wrong.host.take(inward.records.pop(), Wire())
    right.hears(wrong)
    far.peer("b", ["10.8.0.3/32"])
    record = out.records.pop()
    far.world.sessions[5].peer = far.world.peers["b"]
    far.take(record, back)
    [arrived] = far.packets
    assert arrived[12:20] == bytes(packet[12:20])
    assert arrived[8] == packet[8] - 1, "one hop"
