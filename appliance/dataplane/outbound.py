"""From inner packets to records: the sending half of the pipeline. Hot.

    TUN readable -> read super-packets behind each other into one buffer -> destination -> peer -> session
                 -> entries of one peer make one record -> header -> seal in place -> link.transmit

One buffer serves all sessions, and holds nothing between two turns. The plaintext of a record is entries (`wire.entries`). What
waits at the moment goes into one record, so it costs one AEAD and one send. `compile_outbound` builds closures over locals:
nothing here is looked up in a table.
"""

from __future__ import annotations

import os
import struct
from binascii import crc_hqx
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.dataplane.counters import TX_BYTES, TX_EPOCH, TX_PACKETS, TX_RECORDS, TX_SAVED
from appliance.wire.entries import ENTRY_BYTES, LENGTH, LENGTH_BYTES, MAX_ENTRY, MAX_PACKET, NO_VNET, VNET_BYTES
from appliance.wire.envelope import CRC_START, FIELDS, HEADER_BYTES, MAX_BODY_BYTES, PROTO, PacketType

if TYPE_CHECKING:
    from appliance.dataplane.peers import Peer, Session, World

TRANSMIT_BYTES: Final = HEADER_BYTES + 2 * (MAX_BODY_BYTES + 1) + ENTRY_BYTES
"""Room for a full record, and for one more read behind it."""
BURST: Final = 4
"""Records in one turn, so that sending and receiving take turns (measured: with 4 one flow has its full speed)."""
LARGE: Final = 24576
"""A record with so many bytes is sent without waiting for more (measured: 18 full packets, or one super-packet)."""

Read = Callable[[memoryview], int]


class Outbound(NamedTuple):
    """The sending half, compiled."""

    pump: Callable[[], bool]
    """`pump()` moves what waits on the TUN. False: the link of the only session is full, so the TUN should not be read."""
    forward: Callable[[Session, memoryview], None]
    """`forward(session, entry)` adds a packet (virtio header in front) to the record that is being made."""
    flush: Callable[[], None]
    """`flush()` sends that record."""
    message: Callable[[Session, int, int, bytes], None]
    """`message(session, kind, channel, body)` sends one record that holds no packets."""
    release: Callable[[Peer], None]
    """`release(peer)` sends what waited for a session."""
    send_body: Callable[[Session, int, int], bool]
    """`send_body(session, channel, length)` sends what is in the transmit buffer from byte 24 on as one record of a data channel.
    False: the link is full now."""
    serve: Callable[[], float] | None = None
    """Where traffic is scheduled: to be called in each turn. It returns for how many seconds the next turn can wait at most; -1
    is until something happens. None where traffic is not scheduled."""


def tun_reader(descriptor: int, vnet: bool) -> Read:
    """`read(room) -> n` for a non-blocking TUN: virtio header and packet into `room`. Raises BlockingIOError if none waits."""
    readv = os.readv
    if vnet:
        return lambda room: readv(descriptor, (room,))

    def read(room: memoryview) -> int:
        room[:VNET_BYTES] = NO_VNET
        return VNET_BYTES + readv(descriptor, (room[VNET_BYTES:],))

    return read


def compile_outbound(world: World, read: Read, tx: memoryview) -> Outbound:
    """Build the sending half over `tx`, the transmit buffer of TRANSMIT_BYTES that all sessions share."""
    counters = world.counters
    hosts_v4, hosts_v6 = world.hosts_v4, world.hosts_v6
    put_fields = FIELDS.pack_into
    put16 = LENGTH.pack_into
    get_v4 = struct.Struct("!B15xI").unpack_from
    get_v6 = struct.Struct("!16s").unpack_from
    head, summed, sequence = tx[:HEADER_BYTES], tx[:22], tx[8:16]
    nonce = bytearray(12)
    data = int(PacketType.DATA)
    start, room_bytes = HEADER_BYTES, VNET_BYTES + MAX_PACKET

    def finish(session: Session, end: int, packets: int, kind: int = data, channel: int = 0) -> bool:
        """Seal the plaintext in tx[24:end] and send it. False: the link is full now."""
        link, sender = session.link, session.sender
        if link is None or (world.blocked and link in world.blocked):
            world.drop("congested" if link else "no_session", packets)
            return False
        row, inner, squeeze = session.row, end, session.squeeze
        if squeeze is not None and packets:
            end = squeeze(tx, end)
            counters[row + TX_SAVED] += inner - end
        length = end - HEADER_BYTES + session.tag_bytes
        number = sender.number + 1
        if number > sender.last_number:
            world.drop("exhausted", packets or 1)
            return True
        sender.number = number
        flags = sender.phase | link.fragment_flags if length > link.whole_bytes else sender.phase
        put_fields(tx, 0, PROTO, kind, flags, session.stream | channel, number << 8, world.now, length)
        put16(tx, 22, crc_hqx(summed, CRC_START))
        nonce[4:] = sequence
        sender.seal(nonce, tx[HEADER_BYTES:end], head, tx[HEADER_BYTES : HEADER_BYTES + length])
        if packets:
            counters[row + TX_PACKETS] += packets
            counters[row + TX_BYTES] += inner - HEADER_BYTES - ENTRY_BYTES * packets
        counters[row + TX_RECORDS] += 1
        sender.left -= length
        if sender.left <= 0:
            sender.rotate()
            counters[row + TX_EPOCH] = sender.epoch
        source = session.source
        if link.transmit(length) if source is None else link.transmit_to(length, source):
            return True
        world.block(link)
        return False

    def pump() -> bool:  # noqa: PLR0912 - one honest sequence
        o, packets, records = start, 0, 0
        current: Session | None = None
        limit = large = MAX_BODY_BYTES
        clear = True
        while True:
            body = o + LENGTH_BYTES
            try:
                n = read(tx[body : body + room_bytes])
            except BlockingIOError:
                break
            except OSError as error:
                n = -(error.errno or 0)
            if n <= VNET_BYTES:
                world.tun_failed(max(0, -n))
                break
            ip = body + VNET_BYTES
            version, address = get_v4(tx, ip)
            if version < 0x60:
                peer = hosts_v4.get(address) or world.find_v4(address)
            else:
                key = get_v6(tx, ip + 24)[0]
                peer = hosts_v6.get(key) or world.find_v6(key)
            if peer is None:
                world.nowhere(address if version < 0x60 else get_v6(tx, ip + 24)[0])
                continue
            session = peer.session
            if session is None:
                world.hold(peer, bytes(tx[body : body + n]))
                continue
            end = body + n
            if session is not current or end > limit:
                if packets:
                    assert current is not None
                    packet = bytes(tx[body:end])  # sealing writes its tag over the packet's first bytes
                    clear = finish(current, o, packets) and clear
                    records += 1
                    packets = 0
                    o, end = start, start + LENGTH_BYTES + n
                    tx[o + LENGTH_BYTES : end] = packet
                if session is not current:
                    current = session
                    limit, large = limits(session)
                if n > MAX_ENTRY - session.tag_bytes:
                    world.refuse(tx[o + LENGTH_BYTES : end], MAX_ENTRY - VNET_BYTES - session.tag_bytes)
                    continue
            put16(tx, o, n)
            o = end
            packets += 1
            if o >= large:
                clear = finish(session, o, packets) and clear
                o, packets = start, 0
                records += 1
            if records >= BURST:
                break
        if packets:
            assert current is not None
            clear = finish(current, o, packets) and clear
        return clear or len(world.sessions) > 1 or bool(world.elsewhere)

    def limits(session: Session) -> tuple[int, int]:
        """Where in tx a record of `session` must end, and from which end on it is sent at once."""
        body = session.link.record_bytes if session.link else MAX_BODY_BYTES
        limit = HEADER_BYTES + min(body, MAX_BODY_BYTES) - session.tag_bytes
        return limit, min(HEADER_BYTES + LARGE, limit)

    pending: Session | None = None
    pending_end, pending_packets = start, 0

    def forward(session: Session, entry: memoryview) -> None:
        nonlocal pending, pending_end, pending_packets
        n = len(entry)
        if n > MAX_ENTRY - session.tag_bytes:
            world.drop("oversized")
            return
        if pending is not session or pending_end + LENGTH_BYTES + n > limits(session)[0]:
            flush()
            pending = session
        put16(tx, pending_end, n)
        body = pending_end + LENGTH_BYTES
        tx[body : body + n] = entry
        pending_end = body + n
        pending_packets += 1

    def flush() -> None:
        nonlocal pending, pending_end, pending_packets
        session, end, packets = pending, pending_end, pending_packets
        pending, pending_end, pending_packets = None, start, 0  # first, so that what cannot be sent is not tried again
        if session is not None and packets:
            finish(session, end, packets)

    def message(session: Session, kind: int, channel: int, body: bytes) -> None:
        end = start + len(body)
        if end > HEADER_BYTES + MAX_BODY_BYTES - session.tag_bytes:
            world.drop("oversized")
            return
        tx[start:end] = body
        finish(session, end, 0, kind, channel)

    def release(peer: Peer) -> None:
        if peer.session is None:
            return
        while peer.waiting:
            entry = peer.waiting.popleft()
            forward(peer.session, memoryview(entry))
        peer.waiting_bytes = 0
        flush()

    def send_body(session: Session, channel: int, length: int) -> bool:
        return finish(session, start + length, 0, data, channel)

    return Outbound(pump, forward, flush, message, release, send_body)
