"""The sending half where traffic is scheduled: everything waits in queues by class and peer, and leaves in the scheduler's order.

    TUN readable -> read all there is -> destination -> peer -> class -> queue
    each turn    -> a few records in order: entries of one peer and class -> the plain sending half makes and sends the record

In the kernel the TUN has one queue for all classes. So that interactive packets do not wait there, the TUN is read even while
nothing can be sent: what is too much is dropped here, by class, and not there, by chance. Records without packets, such as
keepalives, go past the queues.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.dataplane.classes import compile_classifier
from appliance.dataplane.counters import CLASS_BYTES, CLASS_DROPPED, CLASS_MARKED, CLASS_PACKETS, CLASS_QUEUED, class_base
from appliance.dataplane.outbound import BURST, LARGE, Outbound, Read
from appliance.dataplane.queueing import Entry, Lane, Queue
from appliance.dataplane.scheduler import Limits, Scheduler
from appliance.dataplane.vnet import cut
from appliance.wire.entries import LEAST, LENGTH_BYTES, MAX_ENTRY, MAX_PACKET, VNET_BYTES
from appliance.wire.envelope import MAX_BODY_BYTES

if TYPE_CHECKING:
    from appliance.dataplane.classes import Rule
    from appliance.dataplane.peers import Peer, Session, World

DRAIN: Final = 128
"""Reads of the TUN in one turn: a fifth of its queue in the kernel, so that receiving gets its time too."""


ROOM: Final = VNET_BYTES + MAX_PACKET
"""Bytes for the largest entry."""
KEPT_WHOLE: Final = 32768
"""An entry of so many bytes waits in the memory it was read into, which is at most twice as large. A smaller one is copied."""
SPARE: Final = 64
"""Pieces of such memory that are kept to be used again."""


class Scheduling(NamedTuple):
    """What the profile says about quality of service."""

    rules: tuple[Rule, ...] = ()
    limits: Limits = Limits()


class Scheduled(NamedTuple):
    """The sending half, and how to change it."""

    outbound: Outbound
    limit: Callable[[Peer, int], None]
    """`limit(peer, rate)`: send at most so many bytes a second to the peer."""
    drain: Callable[[], None]
    """`drain()`: send all that waits, whatever the rates are, because another sending half takes over."""


def compile_scheduled(world: World, read: Read, plain: Outbound, settings: Scheduling, clock: Callable[[], float]) -> Scheduled:
    """Build the sending half on top of the plain one. `clock` gives seconds."""
    counters = world.counters
    hosts_v4, hosts_v6 = world.hosts_v4, world.hosts_v6
    get_v4 = struct.Struct("!H14xI").unpack_from
    get_v6 = struct.Struct("!16s").unpack_from
    spare: list[memoryview] = []
    classify = compile_classifier(settings.rules)
    send, flush = plain.forward, plain.flush

    def lose(queue: Queue, reason: str, packets: int) -> None:
        row = class_base(queue.kind)
        if reason == "marked":
            counters[row + CLASS_MARKED] += packets
            return
        counters[row + CLASS_DROPPED] += packets
        world.drop("over_rate" if queue.lane.rate else reason, packets)

    scheduler = Scheduler(settings.limits, lose)
    enqueue, dequeue = scheduler.enqueue, scheduler.dequeue

    def pump() -> bool:
        now = clock()
        room = spare.pop() if spare else memoryview(bytearray(ROOM))
        for _ in range(DRAIN):
            try:
                n = read(room)
            except BlockingIOError:
                break
            except OSError as error:
                n = -(error.errno or 0)
            if n <= VNET_BYTES:
                world.tun_failed(max(0, -n))
                break
            if n < LEAST:
                world.drop("malformed")
                continue
            first, address = get_v4(room, VNET_BYTES)
            if first < 0x6000:
                peer = hosts_v4.get(address) or world.find_v4(address)
                tos = first & 0xFF
            else:
                key = get_v6(room, VNET_BYTES + 24)[0]
                peer = hosts_v6.get(key) or world.find_v6(key)
                tos = first >> 4 & 0xFF
            if peer is None:
                world.nowhere(address if first < 0x6000 else get_v6(room, VNET_BYTES + 24)[0])
                continue
            session = peer.session
            if session is None:
                world.hold(peer, bytes(room[:n]))
                continue
            if n > MAX_ENTRY - session.tag_bytes:
                world.refuse(room[:n], MAX_ENTRY - VNET_BYTES - session.tag_bytes)
                continue
            lane = peer.lane or open_lane(peer)
            entry: Entry
            if n < KEPT_WHOLE:
                entry = bytes(room[:n])
            else:
                entry, room = room[:n], spare.pop() if spare else memoryview(bytearray(ROOM))
            queue = lane.queues[classify(entry, VNET_BYTES, tos)]
            if n > lane.piece:
                cut_up(queue, entry, now)
            else:
                enqueue(queue, entry, now)
        spare.append(room)
        return True

    def forward(session: Session, entry: memoryview) -> None:
        if len(entry) > MAX_ENTRY - session.tag_bytes:
            world.drop("oversized")
        else:
            put(session.peer, bytes(entry), clock())

    def put(peer: Peer, entry: bytes, now: float) -> None:
        first = entry[VNET_BYTES] << 8 | entry[VNET_BYTES + 1]
        tos = first & 0xFF if first < 0x6000 else first >> 4 & 0xFF
        lane = peer.lane or open_lane(peer)
        cut_up(lane.queues[classify(entry, VNET_BYTES, tos)], entry, now)

    def cut_up(queue: Queue, entry: Entry, now: float) -> None:
        """Let a packet that would hold up the others of a peer with a rate wait in pieces."""
        for piece in cut(entry, queue.lane.piece):
            enqueue(queue, piece, now)

    def serve() -> float:
        now = clock()
        blocked = world.blocked
        if scheduler.parked:
            scheduler.resume()
        current: Queue | None = None
        records = size = limit = 0
        while records < BURST:
            taken = dequeue(now)
            if taken is None:
                break
            queue, entry = taken
            n = LENGTH_BYTES + len(entry)
            if current is not None and (queue is not current or size + n > limit):
                flush()
                records += 1
                current, size = None, 0
            peer: Peer = queue.lane.owner  # type: ignore[assignment]
            session = peer.session
            if session is None:
                world.hold(peer, bytes(entry))
                continue
            if current is None:
                if blocked and session.link in blocked:
                    scheduler.put_back(queue, entry)
                    continue
                current, limit = queue, room_of(session)
            if isinstance(entry, memoryview):
                send(session, entry)
                if len(spare) < SPARE:
                    spare.append(memoryview(entry.obj))
            else:
                send(session, memoryview(entry))
            row = class_base(queue.kind)
            counters[row + CLASS_PACKETS] += 1
            counters[row + CLASS_BYTES] += len(entry) - VNET_BYTES
            size += n
            if size >= LARGE or not queue.entries:
                flush()
                records += 1
                current, size = None, 0
        flush()
        for kind, amount in enumerate(scheduler.queued):
            counters[class_base(kind) + CLASS_QUEUED] = amount
        wait = scheduler.wait(now)
        return -1.0 if wait is None else wait

    def open_lane(peer: Peer) -> Lane:
        lane = peer.lane = Lane(peer, peer.rate, clock())
        return lane

    def limit_rate(peer: Peer, rate: int) -> None:
        peer.rate = rate
        if peer.lane is not None:
            peer.lane.limit(rate, clock())

    def release(peer: Peer) -> None:
        while peer.session is not None and peer.waiting:
            put(peer, peer.waiting.popleft(), clock())
        if not peer.waiting:
            peer.waiting_bytes = 0

    def drain() -> None:
        for queue, entry in scheduler.drain():
            peer: Peer = queue.lane.owner  # type: ignore[assignment]
            if peer.session is not None:
                send(peer.session, memoryview(entry))
        flush()
        for peer in world.peers.values():
            peer.lane = None

    outbound = Outbound(pump, forward, lambda: None, plain.message, release, plain.send_body, serve)
    return Scheduled(outbound, limit_rate, drain)


def room_of(session: Session) -> int:
    """Bytes of entries that a record of this session takes."""
    return min(session.link.record_bytes if session.link else MAX_BODY_BYTES, MAX_BODY_BYTES) - session.tag_bytes
