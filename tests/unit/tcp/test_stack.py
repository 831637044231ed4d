"""Two stacks by a bad wire, in virtual time: bytes arrive whole or the connection is said to be broken; nothing is left."""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import ip_interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.tcp_wire import End, Peer, Wire

from appliance.tcp import datagrams, ip, segment
from appliance.tcp.counted import Count
from appliance.tcp.datagrams import UdpPort
from appliance.tcp.flows import MOST_HALF_OPEN, Flow
from appliance.tcp.receiving import MOST_PIECES, PIECE_BYTES, WINDOW_BYTES
from appliance.tcp.segment import ACK, FIN, RST, SYN, Outgoing, SegmentWriter
from appliance.tcp.stack import NoPort, Stack
from appliance.tcp.states import Ending, State
from appliance.wire.entries import NEEDS_CSUM, VNET

PORT = 842
PATIENCE = 3600.0


def joined(wire: Wire, there: bytes = b"", back: bytes = b"", **named: bool) -> tuple[Peer, list[Peer]]:
    """A connection from a to b, once b's application has it; what each is to send."""
    wire.b.stack.listen(PORT)
    answered: list[Peer] = []

    def accept(flow: Flow) -> Peer:
        answered.append(Peer(wire.b, flow, back, **named))
        return answered[-1]

    wire.b.accept = accept
    return wire.a.connect(wire.b, PORT, there, **named), answered


def leave(wire: Wire) -> None:
    """Applications are done; nothing is left once stray segments can no longer come."""
    for end in (wire.a, wire.b):
        for peer in end.peers:
            end.stack.forget(peer.flow)
        end.peers.clear()
    wire.run(lambda: not len(wire.a.stack.flows) and not len(wire.b.stack.flows), seconds=PATIENCE)
    assert wire.a.stack.memory.used == wire.b.stack.memory.used == 0


def made(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


class Stranger:
    """Sends a stack segments that no stack would send."""

    def __init__(self, wire: Wire, address: bytes = bytes((10, 8, 0, 9)), port: int = 5555) -> None:
        self.wire = wire
        self.writer = SegmentWriter(address, wire.b.address, port, PORT)

    def says(self, flags: int, sequence: int = 0, acknowledgement: int = 0, window: int = 65535, data: bytes = b"") -> None:
        out = Outgoing(sequence, acknowledgement, flags, window, payload=[data], length=len(data))
        self.wire.b.stack.handle_input(memoryview(self.writer.write(out)), self.wire.now)

    def hears(self) -> list[segment.Segment]:
        found = []
        while (entry := self.wire.b.stack.poll_transmit(self.wire.now)) is not None:
            found.append(segment.parse(ip.parse(memoryview(entry))))
        return found


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    loss=st.sampled_from([0.0, 0.02, 0.1, 0.25]),
    doubled=st.sampled_from([0.0, 0.2]),
    late=st.sampled_from([0.0, 0.3]),
    parts=st.booleans(),
    sizes=st.tuples(st.integers(0, 200_000), st.integers(0, 60_000)),
)
def test_all_arrives_over_a_bad_wire(
    seed: int, loss: float, doubled: float, late: float, parts: bool, sizes: tuple[int, int]
) -> None:
    wire = Wire(seed, loss=loss, doubled=doubled, late=late, parts=parts)
    there, back = made(1, sizes[0]), made(2, sizes[1])
    caller, answered = joined(wire, there, back)
    wire.run(lambda: caller.ending is not None and bool(answered) and answered[0].ending is not None, seconds=PATIENCE)
    assert (caller.ending, answered[0].ending) == (Ending.FINISHED, Ending.FINISHED)
    assert (bytes(answered[0].got), bytes(caller.got)) == (there, back)
    leave(wire)


def test_a_megabyte_takes_as_few_packets_as_it_can() -> None:
    wire = Wire(parts=False)
    caller, answered = joined(wire, made(1, 1_000_000))
    wire.run(lambda: caller.ending is not None)
    assert bytes(answered[0].got) == made(1, 1_000_000)
    assert wire.carried < 150
    assert not wire.a.stack.counts[Count.RETRANSMITTED]


def test_one_lost_segment_is_mended_without_a_timeout() -> None:
    wire = Wire()
    lost = iter([50])
    count = iter(range(10**6))
    at = next(lost)
    wire.watch = lambda end, _entry: end is not wire.a or next(count) != at
    caller, answered = joined(wire, made(1, 400_000))
    wire.run(lambda: caller.ending is not None)
    assert bytes(answered[0].got) == made(1, 400_000)
    assert wire.a.stack.counts[Count.RETRANSMITTED] == 1
    assert not wire.a.stack.counts[Count.TIMED_OUT]


def test_without_sack_a_loss_is_mended_too() -> None:
    wire = Wire(seed=3)
    count = iter(range(10**6))

    def plain(end: End, entry: bytes) -> bool:
        """Takes the options out of SYNs by lying about their kind."""
        came = segment.parse(ip.parse(memoryview(entry)))
        if end is wire.a and came.flags & SYN:
            changed = bytearray(entry)
            at = changed.index(bytes((4, 2, 8, 10)), 40)
            changed[at : at + 2] = b"\1\1"
            _replace(wire, end, changed)
            return False
        return end is not wire.a or next(count) not in (30, 31, 60)

    wire.watch = plain
    caller, answered = joined(wire, made(1, 400_000))
    wire.run(lambda: caller.ending is not None)
    assert bytes(answered[0].got) == made(1, 400_000)
    assert answered[0].connection.receiver is not None
    assert wire.a.stack.counts[Count.RETRANSMITTED] >= 3


def _replace(wire: Wire, source: End, entry: bytearray) -> None:
    """Give the changed packet to the other end now. Its checksum was left to others, so it stays right."""
    other = wire.b if source is wire.a else wire.a
    entry[:10] = VNET.pack(NEEDS_CSUM, 0, 0, 0, 20, 16)
    other.stack.handle_input(memoryview(bytes(entry)), wire.now)


def test_half_close_lets_the_other_side_go_on() -> None:
    wire = Wire()
    caller, answered = joined(wire, b"question", finishes=False)
    caller.finishes = True
    wire.run(lambda: bool(answered) and answered[0].told_end and caller.connection.state is State.FIN_WAIT_2)
    assert bytes(answered[0].got) == b"question"
    answered[0].left, answered[0].finishes = memoryview(made(1, 100_000)), True
    wire.run(lambda: caller.ending is not None)
    assert bytes(caller.got) == made(1, 100_000)
    assert caller.ending is Ending.FINISHED


def test_both_may_finish_at_once() -> None:
    wire = Wire()
    caller, answered = joined(wire, finishes=False)
    wire.run(lambda: bool(answered))
    caller.connection.finish()
    answered[0].connection.finish()
    wire.run(lambda: caller.ending is not None and answered[0].ending is not None)
    assert caller.connection.state is answered[0].connection.state is State.TIME_WAIT
    leave(wire)


def test_both_may_call_at_once() -> None:
    wire = Wire()
    one = wire.a.connect(wire.b, 40000)
    other = wire.b.stack.connect(wire.a.address, one.flow.key.local_port, wire.now)
    # as if it had called from the port that it was called at
    wire.b.stack.flows.forget(other)
    key = other.key._replace(local_port=40000)
    crossed = Flow(key, other.connection)
    wire.b.stack.flows.add(crossed)
    wire.b.stack.touched(crossed)
    caller = Peer(wire.b, crossed, b"to a")
    wire.b.peers.append(caller)
    one.left = memoryview(b"to b")
    wire.run(lambda: one.ending is not None and caller.ending is not None)
    assert (bytes(one.got), bytes(caller.got)) == (b"to a", b"to b")


def test_a_reset_is_told_from_an_end() -> None:
    wire = Wire()
    caller, answered = joined(wire, made(1, 1000), finishes=False)
    wire.run(lambda: bool(answered) and len(answered[0].got) == 1000)
    caller.connection.abort()
    wire.run(lambda: answered[0].ending is not None)
    assert (caller.ending, answered[0].ending) == (Ending.ABORTED, Ending.RESET)
    assert not answered[0].told_end
    leave(wire)


def test_nobody_at_a_port_refuses() -> None:
    wire = Wire()
    caller = wire.a.connect(wire.b, 1)
    wire.run(lambda: caller.ending is not None)
    assert caller.ending is Ending.REFUSED


def test_nobody_at_an_address_is_silence() -> None:
    wire = Wire(loss=1.0)
    caller = wire.a.connect(wire.b, PORT)
    wire.run(lambda: caller.ending is not None, seconds=PATIENCE)
    assert caller.ending is Ending.SILENT
    assert 60 < wire.now - 1000 < 200


@pytest.mark.parametrize("sends", [True, False])
def test_a_peer_that_vanishes_is_noticed(sends: bool) -> None:
    wire = Wire()
    caller, answered = joined(wire, finishes=False)
    wire.run(lambda: bool(answered))
    wire.loss = 1.0
    caller.left = memoryview(b"anybody there?" if sends else b"")
    wire.run(lambda: caller.ending is not None, seconds=PATIENCE)
    assert caller.ending is Ending.SILENT


def test_a_peer_that_does_not_read_costs_its_window_and_nothing_is_lost() -> None:
    wire = Wire()
    data = made(1, 3 * WINDOW_BYTES)
    caller, answered = joined(wire, data, reads=False, finishes=False)
    caller.finishes = True
    wire.run(lambda: wire.a.stack.counts[Count.PROBED] > 5, seconds=PATIENCE)
    assert wire.b.stack.memory.used <= WINDOW_BYTES
    assert wire.a.stack.memory.used <= 2 * 64 * 1024
    assert caller.ending is None
    answered[0].reads = answered[0].finishes = True
    wire.run(lambda: caller.ending is not None, seconds=PATIENCE)
    assert bytes(answered[0].got) == data
    leave(wire)


def test_a_window_that_stays_shut_keeps_nothing_once_the_application_is_gone() -> None:
    wire = Wire()
    caller, answered = joined(wire, made(1, 3 * WINDOW_BYTES), reads=False, finishes=False)
    wire.run(lambda: wire.a.stack.counts[Count.PROBED] > 2, seconds=PATIENCE)
    wire.a.peers.clear()
    caller.connection.orphan(wire.now)
    wire.a.stack.touched(caller.flow)
    wire.run(lambda: answered[0].ending is not None, seconds=PATIENCE)
    assert answered[0].ending is Ending.RESET


def test_who_is_gone_with_much_unsent_is_not_waited_for_without_end() -> None:
    wire = Wire()
    caller, answered = joined(wire, made(1, 3 * WINDOW_BYTES), reads=False, finishes=False)
    wire.run(lambda: wire.a.stack.counts[Count.PROBED] > 2, seconds=PATIENCE)
    caller.connection.desert(wire.now)
    wire.a.stack.touched(caller.flow)
    wire.run(lambda: caller.ending is not None, seconds=PATIENCE)
    assert caller.ending is Ending.SILENT
    wire.run(lambda: answered[0].ending is Ending.RESET, seconds=PATIENCE)


def test_what_comes_for_an_application_that_is_gone_breaks_it_off() -> None:
    wire = Wire()
    caller, answered = joined(wire, finishes=False)
    wire.run(lambda: bool(answered))
    wire.a.peers.clear()
    caller.connection.orphan(wire.now)
    wire.a.stack.touched(caller.flow)
    answered[0].left = memoryview(b"do you hear me?")
    wire.run(lambda: answered[0].ending is not None)
    assert answered[0].ending is Ending.RESET


@pytest.mark.parametrize("gap", [0, 1])
def test_a_peer_of_tiny_segments_costs_little_more_than_their_bytes(gap: int) -> None:
    wire = Wire()
    stranger = Stranger(wire)
    wire.b.stack.listen(PORT)
    wire.b.accept = lambda flow: Peer(wire.b, flow, reads=False, finishes=False)
    stranger.says(SYN, 0)
    (answer,) = stranger.hears()
    stranger.says(ACK, 1, answer.sequence + 1)
    wire.b.step()
    for number in range(5000):
        stranger.says(ACK, 1 + gap + number * (1 + gap), answer.sequence + 1, data=b"x")
    (peer,) = wire.b.peers
    receiver = peer.connection.receiver
    assert receiver is not None
    assert len(receiver._chunks) <= 2
    assert len(receiver._pieces) == gap * MOST_PIECES
    assert wire.b.stack.memory.used == (MOST_PIECES * (1 + PIECE_BYTES) if gap else 5000)
    peer.connection.abort()
    wire.b.peers.clear()
    wire.b.stack.forget(peer.flow)
    stranger.hears()
    assert wire.b.stack.memory.used == 0


def test_all_connections_together_hold_what_they_may() -> None:
    wire = Wire(delay=0.001)
    wire.b.stack.memory.limit = 1 << 20
    peers = [joined(wire, made(each, 200_000), reads=False, finishes=False) for each in range(1)]
    peers += [(wire.a.connect(wire.b, PORT, made(each, 200_000), reads=False, finishes=False), peers[0][1]) for each in range(14)]
    wire.run(lambda: wire.b.stack.counts[Count.NO_MEMORY] > 30, seconds=PATIENCE)
    assert wire.b.stack.memory.used <= (1 << 20) + 15 * 2048
    for each in peers[0][1]:
        each.reads = True
    wire.run(lambda: sum(len(each.got) for each in peers[0][1]) == 15 * 200_000, seconds=PATIENCE)


def test_a_flood_of_syns_costs_half_open_ones_and_no_caller() -> None:
    wire = Wire()
    caller, answered = joined(wire, b"hello", finishes=False)
    wire.run(lambda: bool(answered))
    for number in range(MOST_HALF_OPEN + 300):
        Stranger(wire, bytes((10, 8, 1 + number // 250, number % 250)), 1000 + number).says(SYN, number)
    assert wire.b.stack.flows.figures()["half-open"] == MOST_HALF_OPEN
    assert wire.b.stack.counts[Count.BACKLOG] == 300
    wire.b.stack.poll_transmit(wire.now)
    late = wire.a.connect(wire.b, PORT, b"and me", finishes=False)
    wire.run(lambda: len(answered) == 2 and bytes(answered[1].got) == b"and me")
    assert late.ending is caller.ending is None


def test_resets_and_syns_of_somebody_who_guesses_are_asked_about() -> None:
    wire = Wire()
    stranger = Stranger(wire)
    wire.b.stack.listen(PORT)
    wire.b.accept = lambda flow: Peer(wire.b, flow, finishes=False)
    stranger.says(SYN, 100)
    (answer,) = stranger.hears()
    stranger.says(ACK, 101, answer.sequence + 1)
    wire.b.step()
    (peer,) = wire.b.peers
    stranger.says(RST, 101 + 5000)
    stranger.says(SYN, 101 + 5000)
    stranger.says(RST, 101 - 5000)
    assert peer.ending is None
    assert [(heard.flags, heard.acknowledgement) for heard in stranger.hears()] == [(ACK, 101)]
    for _ in range(1000):
        stranger.says(RST, 101 + 9)
        stranger.hears()
    assert wire.b.stack.counts[Count.CHALLENGED] <= 10
    stranger.says(RST, 101)
    assert peer.ending is Ending.RESET


def test_an_acknowledgement_of_what_was_never_sent_is_dropped() -> None:
    wire = Wire()
    caller, answered = joined(wire, made(1, 1000), finishes=False)
    wire.run(lambda: bool(answered) and len(answered[0].got) == 1000)
    sender = caller.connection.sender
    wire.run(lambda: sender.unacked == sender.next)
    forged = SegmentWriter(wire.b.address, wire.a.address, PORT, caller.flow.key.local_port)
    receiver = caller.connection.receiver
    assert receiver is not None
    entry = forged.write(Outgoing(receiver.next, sender.next + 70_000, ACK, 1000))
    wire.a.stack.handle_input(memoryview(entry), wire.now)
    assert wire.a.stack.counts[Count.BAD_ACK] == 1
    assert sender.unacked == sender.next


def test_a_huge_window_is_not_believed_to_be_room() -> None:
    wire = Wire()
    stranger = Stranger(wire)
    wire.b.stack.listen(PORT)
    wire.b.accept = lambda flow: Peer(wire.b, flow, bytes(100 << 20))
    stranger.says(SYN, 0)
    (answer,) = stranger.hears()
    stranger.says(ACK, 1, answer.sequence + 1)
    wire.b.step()
    stranger.hears()
    assert wire.b.stack.memory.used < 1 << 20


def test_garbage_is_counted_and_hurts_nobody() -> None:
    wire = Wire()
    caller, answered = joined(wire, made(1, 200_000), made(2, 200_000))
    chance = random.Random(5)
    held: list[bytes] = []

    def tamper(end: End, entry: bytes) -> bool:
        held.append(entry)
        changed = bytearray(chance.choice(held))
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        changed[0] = 0  # no checksum is left to others, so it is looked at
        cut = bytes(changed[: chance.randrange(len(changed))])
        for stack in (wire.a.stack, wire.b.stack):
            stack.handle_input(memoryview(bytes(changed)), wire.now)
            stack.handle_input(memoryview(cut), wire.now)
        return True

    wire.watch = tamper
    wire.run(lambda: caller.ending is not None and bool(answered) and answered[0].ending is not None)
    assert (bytes(answered[0].got), bytes(caller.got)) == (made(1, 200_000), made(2, 200_000))
    assert wire.b.stack.counts[Count.MALFORMED]
    assert wire.b.stack.counts[Count.CHECKSUM]


def test_a_port_can_be_had_again_while_it_waits_for_stray_segments() -> None:
    wire = Wire()
    caller, answered = joined(wire)
    wire.run(lambda: caller.ending is not None and bool(answered) and answered[0].ending is not None)
    waiting = wire.a if caller.connection.state is State.TIME_WAIT else wire.b
    key = (caller if waiting is wire.a else answered[0]).flow.key
    waiting.stack.listen(key.local_port) if key.local_port != PORT else None
    writer = SegmentWriter(key.remote, key.local, key.remote_port, key.local_port)
    receiver = (caller if waiting is wire.a else answered[0]).connection.receiver
    assert receiver is not None
    waiting.peers.clear()
    waiting.stack.handle_input(memoryview(writer.write(Outgoing(receiver.next + 10, 0, SYN, 1000))), wire.now)
    flow = waiting.stack.flows.get(key)
    assert flow is not None
    assert flow.connection.state is State.SYN_RECEIVED


def test_a_node_reaches_itself() -> None:
    wire = Wire()
    wire.a.stack.listen(PORT)
    answered: list[Peer] = []

    def accept(flow: Flow) -> Peer:
        answered.append(Peer(wire.a, flow, b"back"))
        return answered[0]

    wire.a.accept = accept
    caller = wire.a.connect(wire.a, PORT, b"there")
    wire.run(lambda: caller.told_end and answered[0].told_end)
    assert (bytes(answered[0].got), bytes(caller.got)) == (b"there", b"back")
    assert wire.carried == 0


def test_datagrams_come_to_whom_they_are_for() -> None:
    wire = Wire()
    everybodys = wire.b.stack.open_udp(53)
    ours = wire.a.stack.open_udp(0, (wire.b.address, 53))
    wire.a.stack.send_datagram(ours, wire.b.address, 53, b"question")
    wire.run(lambda: bool(everybodys.received))
    came = everybodys.pop()
    assert (came.data, came.source, came.source_port) == (b"question", wire.a.address, ours.number)
    wire.b.stack.send_datagram(everybodys, came.source, came.source_port, b"")
    wire.run(lambda: bool(ours.received))
    assert ours.pop().data == b""
    stranger = wire.b.stack.open_udp(54)
    wire.b.stack.send_datagram(stranger, wire.a.address, ours.number, b"believe me")
    wire.run(lambda: wire.a.stack.counts[Count.NO_PORT] == 1)
    assert not ours.received


def test_datagrams_that_nobody_takes_are_bounded() -> None:
    wire = Wire()
    port = wire.b.stack.open_udp(53)
    entry = datagrams.entry(wire.a.address, 9, wire.b.address, 53, bytes(1000))
    for _ in range(10_000):
        wire.b.stack.handle_input(memoryview(entry), wire.now)
    assert len(port.received) < 300
    assert wire.b.stack.counts[Count.QUEUE_FULL] > 9000


def test_echo_is_answered_and_a_closed_port_is_said() -> None:
    from scapy.layers.inet import ICMP, IP, UDP
    from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
    from scapy.packet import raw

    wire = Wire()
    stack = Stack([ip_interface("10.8.0.2/24"), ip_interface("fd00:8::2/64")], 1400, b"k" * 32, bytes, wire.now)

    def ask(packet: object) -> bytes:
        stack.handle_input(memoryview(bytes(10) + raw(packet)), wire.now)
        entry = stack.poll_transmit(wire.now)
        assert entry is not None
        assert entry[0] == 0  # its checksum is there
        return entry[10:]

    echo = IP(ask(IP(src="10.8.0.1", dst="10.8.0.2") / ICMP(type=8, id=7, seq=3) / b"data"))
    assert (echo[ICMP].type, echo[ICMP].id, echo[ICMP].seq, raw(echo[ICMP].payload)) == (0, 7, 3, b"data")
    echo6 = IPv6(ask(IPv6(src="fd00:8::1", dst="fd00:8::2") / ICMPv6EchoRequest(id=7, seq=3, data=b"data")))
    assert (echo6[ICMPv6EchoReply].seq, echo6[ICMPv6EchoReply].data) == (3, b"data")
    closed = IP(ask(IP(src="10.8.0.1", dst="10.8.0.2") / UDP(sport=9, dport=99) / b"data"))
    assert (closed[ICMP].type, closed[ICMP].code, closed[ICMP].payload.dst) == (3, 3, "10.8.0.2")
    closed6 = IPv6(ask(IPv6(src="fd00:8::1", dst="fd00:8::2") / UDP(sport=9, dport=99) / b"data"))
    assert closed6[ICMPv6DestUnreach].code == 4
    for answer, kind in ((echo, IP), (closed, IP), (echo6, IPv6), (closed6, IPv6)):
        again = kind(raw(answer))
        for layer in (again, again.payload):
            if hasattr(layer, "chksum"):
                layer.chksum = None
            if hasattr(layer, "cksum"):
                layer.cksum = None
        assert raw(again) == raw(answer), "its checksums are right"


@pytest.mark.parametrize("quotes", [True, False])
def test_segments_are_smaller_where_a_router_says_so(quotes: bool) -> None:
    from scapy.layers.inet import ICMP, IP
    from scapy.packet import Raw, raw

    wire = Wire()
    caller, answered = joined(wire, finishes=False)
    wire.run(lambda: bool(answered))
    sizes: list[int] = []

    def router(end: End, entry: bytes) -> bool:
        if end is not wire.a or len(entry) <= 1010:
            return True
        sizes.append(len(entry))
        quoted = entry[10:38] if quotes else entry[10:34] + b"\0\0\0\0"
        error = IP(src="10.8.0.7", dst="10.8.0.1") / ICMP(type=3, code=4, nexthopmtu=1000) / Raw(quoted)
        wire.a.stack.handle_input(memoryview(bytes(10) + raw(error)), wire.now)
        return False

    wire.watch = router
    caller.left, caller.finishes = memoryview(made(1, 100_000)), True
    if quotes:
        wire.run(lambda: answered[0].told_end)
        assert bytes(answered[0].got) == made(1, 100_000)
        assert caller.connection.sender.mss == 1000 - 52
    else:
        wire.run(lambda: wire.a.stack.counts[Count.TIMED_OUT] > 2)
        assert caller.connection.sender.mss > 1000


def test_ports_are_bounded_and_named_once() -> None:
    wire = Wire()
    wire.a.stack.listen(PORT)
    with pytest.raises(NoPort):
        wire.a.stack.listen(PORT)
    wire.a.stack.unlisten(PORT)
    wire.a.stack.listen(PORT)
    port = wire.a.stack.open_udp(53)
    with pytest.raises(NoPort):
        wire.a.stack.open_udp(53)
    wire.a.stack.close_udp(port)
    assert isinstance(wire.a.stack.open_udp(53), UdpPort)
    with pytest.raises(LookupError):
        wire.a.stack.connect(bytes(16), PORT, wire.now)


def test_connections_that_wait_for_stray_segments_give_way() -> None:
    wire = Wire()
    wire.a.stack.flows = type(wire.a.stack.flows)(wire.a.stack.counts, most=10)
    for _ in range(25):
        caller = wire.a.connect(wire.b, PORT) if wire.b.accept else joined(wire)[0]
        wire.run(_over(caller))
        leave_now(wire)
    assert len(wire.a.stack.flows) <= 10


def _over(peer: Peer) -> Callable[[], bool]:
    return lambda: peer.ending is not None


def leave_now(wire: Wire) -> None:
    for end in (wire.a, wire.b):
        for peer in [peer for peer in end.peers if peer.ending is not None]:
            end.stack.forget(peer.flow)
            end.peers.remove(peer)


def test_the_end_of_a_stream_waits_for_what_is_missing_before_it() -> None:
    wire = Wire()
    stranger = Stranger(wire)
    wire.b.stack.listen(PORT)
    wire.b.accept = lambda flow: Peer(wire.b, flow, finishes=False)
    stranger.says(SYN, 0)
    (answer,) = stranger.hears()
    stranger.says(ACK, 1, answer.sequence + 1)
    stranger.says(ACK | FIN, 4, answer.sequence + 1, data=b"def")
    wire.b.step()
    (peer,) = wire.b.peers
    assert not peer.told_end
    stranger.says(ACK, 1, answer.sequence + 1, data=b"abc")
    wire.b.step()
    assert (bytes(peer.got), peer.told_end) == (b"abcdef", True)
