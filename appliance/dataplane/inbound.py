"""From records to inner packets: the receiving half of the pipeline. Hot.

    link readable -> driver cuts out whole records -> header (protocol, checksum) -> session by index -> replay window asked
                  -> open in place -> window marked -> each entry: lengths, inner source allowed for this peer?
                  -> TUN write, or the next peer's session when this node is a hub
                  (a session that another worker has: the record is handed over, see dataplane.handover)

Nothing that a peer sends raises past here: what is wrong is dropped and counted. A record that is not IP goes to the control
process, or to the descriptor that has its data channel open. If a record raises all the same, it is lost and counted as `raised`,
and the next one is taken.
"""

from __future__ import annotations

import os
import struct
from binascii import crc_hqx
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.dataplane.compression import FRAME_START, MAX_FRAMES
from appliance.dataplane.counters import RX_BYTES, RX_EPOCH, RX_PACKETS, RX_RECORDS, RX_SAVED
from appliance.dataplane.outbound import Outbound
from appliance.dataplane.vnet import CSUM_ONLY, OWN_SUMS_V4, OWN_SUMS_V6, settle
from appliance.wire.entries import ENTRY_BYTES, GSO_NONE, LEAST, LENGTH_BYTES, VNET_BYTES
from appliance.wire.envelope import CHANNEL_FIRST, CRC_START, HEADER, MAX_BODY_BYTES, PROTO, PacketType

if TYPE_CHECKING:
    from appliance.api.transport import Driver, RecordSink, SocketAddress
    from appliance.api.values import Octets
    from appliance.dataplane.peers import Peer, Session, World

MIN_ENTRY: Final = LENGTH_BYTES + LEAST
"""Bytes of the shortest entry, with its length."""

Write = Callable[[memoryview], None]


class Upward(NamedTuple):
    """What goes up to the control process, or to whoever has a data channel open."""

    packet: Callable[[Driver, SocketAddress | None, bytes], None]
    """`packet(link, source, bytes)`: a handshake packet."""
    message: Callable[[Session, int, int, bytes], None]
    """`message(session, kind, channel, body)`: an opened record that is not IP."""
    moved: Callable[[Session, Driver, SocketAddress | None], None]
    """`moved(session, link, source)`: the newest authentic record came by another path. (Not of a KeepAlive or an Ack: see
    `aside`.)"""
    aside: Callable[[Session, Driver, SocketAddress | None, int, bytes, bool], None]
    """`aside(session, link, source, kind, body, newest)`: a KeepAlive or an Ack came by another path than the session's."""
    stalled: Callable[[Session], None]
    """`stalled(session)`: records arrive of an epoch that is too far ahead, so only a new handshake helps."""
    unknown: Callable[[Driver, SocketAddress | None, int], None]
    """`unknown(link, source, stream)`: a record for a session that is not here."""
    raised: Callable[[Exception], None]
    """`raised(error)`: a mistake of ours, which cost a record."""
    channel: Callable[[Session, Driver, int, memoryview], None]
    """`channel(session, link, channel, body)`: an opened record of a data channel, for the descriptor that has that open."""


def tun_writer(descriptor: int, world: World, vnet: bool, split: Callable[[memoryview], list[bytes]]) -> Write:
    """`write(entry)` for a packet device; an entry is a virtio header and a packet. `split` makes ordinary packets of a
    super-packet, for a device without virtio headers and where the kernel refuses it."""
    kernel_write = os.write
    drop = world.drop

    def write_split(entry: memoryview) -> None:
        for packet in split(entry):
            try:
                kernel_write(descriptor, packet if vnet else packet[VNET_BYTES:])
            except OSError:
                drop("tun_refused")

    if not vnet:
        return write_split

    def write(entry: memoryview) -> None:
        try:
            kernel_write(descriptor, entry)
        except BlockingIOError:  # full: so it would be for the pieces
            drop("tun_refused")
        except OSError:
            if entry[1] == GSO_NONE:
                drop("tun_refused")
            else:
                write_split(entry)

    return write


def compile_inbound(world: World, write: Write, outbound: Outbound, up: Upward) -> Callable[[Driver], RecordSink]:
    """Build the receiving half. The result is `sink_for(link)`, which gives the function that the link's driver hands its records
    to."""
    counters, sessions, elsewhere = world.counters, world.sessions, world.elsewhere
    get_header = HEADER.unpack_from
    #                       length, flags and GSO type  its checksum  version  v4 protocol, source and destination
    get_entry = struct.Struct("!HH4xIB8xB2xII").unpack_from
    #                    v6 protocol, source and destination
    get_v6 = struct.Struct("!Bx16s16s").unpack_from
    get_v4 = struct.Struct("!II").unpack_from
    may_send_v4, may_send_v6 = world.may_send_v4, world.may_send_v6
    nonce = bytearray(12)
    data, last_type = int(PacketType.DATA), int(max(PacketType))
    keepers = frozenset((int(PacketType.ACK), int(PacketType.KEEP_ALIVE)))
    init, response = int(PacketType.HANDSHAKE_INIT), int(PacketType.HANDSHAKE_RESPONSE)
    drop = world.drop
    world.to_host = write

    def open_record(link: Driver, header: Octets, body: Octets, room: memoryview, source: SocketAddress | None) -> bool:
        proto, kind, flags, stream, sequence, _, length, crc = get_header(header)
        if proto != PROTO or crc_hqx(memoryview(header)[:22], CRC_START) != crc:
            drop("malformed")
            return False
        if init <= kind <= response:
            up.packet(link, source, b"".join((header, body)))
            return True
        session = sessions.get(stream >> 8)
        if session is None:
            hand_over = elsewhere.get(stream >> 8)
            if hand_over is not None:
                hand_over(link, header, body, source)
                return True
            drop("unknown_session")
            up.unknown(link, source, stream)
            return True
        receiver = session.receiver
        window, number, phase = receiver.window, sequence >> 8, flags & 3
        if not window.check(number):
            drop("replayed")
            return True
        opener = receiver.opens[phase]
        end = length - session.tag_bytes
        if opener is None or end < 0:
            drop("bad_tag")
            if end >= 0 and not session.stalled:
                session.stalled = True
                up.stalled(session)
            return False
        nonce[4:] = sequence.to_bytes(8, "big")
        try:
            opener(nonce, body, header, room[:end])
        except Exception:  # noqa: BLE001  whatever the suite raises means: not authentic
            drop("bad_tag")
            return False
        newest = number > window.newest
        window.mark(number)
        row = session.row
        counters[row + RX_RECORDS] += 1
        if phase != receiver.phase:
            receiver.opened(phase)
            counters[row + RX_EPOCH] = receiver.epoch
        if newest and (link is not session.link or source != session.source) and kind not in keepers:
            up.moved(session, link, source)
        if kind == data and not stream & 0xFF:
            deliver(session, row, room, end)
        elif kind == data and stream & 0xFF >= CHANNEL_FIRST:
            up.channel(session, link, stream & 0xFF, room[:end])
        elif 0 < kind <= last_type:
            tell(session, link, source, kind, stream & 0xFF, bytes(room[:end]), newest)
        else:
            drop("malformed")
        return True

    def tell(
        session: Session, link: Driver, source: SocketAddress | None, kind: int, channel: int, body: bytes, newest: bool
    ) -> None:
        """Pass a record that is not IP on to the control process."""
        if kind in keepers and (link is not session.link or source != session.source):
            up.aside(session, link, source, kind, body, newest)
        else:
            up.message(session, kind, channel, body)

    def deliver(session: Session, row: int, room: memoryview, end: int) -> None:
        """Pass on the entries in room[:end]."""
        peer = session.peer
        v4, v6, hub = peer.known_v4, peer.known_v6, world.hub
        i = packets = lost = grown = frames = 0
        last = end - MIN_ENTRY
        while i <= last:
            n, offload, csum, version, protocol, source, destination = get_entry(room, i)
            following = i + LENGTH_BYTES + n
            if following > end or n < LEAST:
                break
            entry = room[i + LENGTH_BYTES : following]
            i = following
            if version == 0x45:
                allowed = source in v4 or may_send_v4(peer, source)
                settled = (offload == CSUM_ONLY and csum == OWN_SUMS_V4[protocol]) or not offload
            elif 0x60 <= version <= 0x6F and n >= VNET_BYTES + 40:
                protocol, source, destination = get_v6(entry, VNET_BYTES + 6)
                allowed = source in v6 or may_send_v6(peer, source)
                settled = (offload == CSUM_ONLY and csum == OWN_SUMS_V6[protocol]) or not offload
            else:
                frames += version == FRAME_START
                room_left = MAX_BODY_BYTES - end - grown if frames <= MAX_FRAMES else 0
                judged = unusual(session, row, entry, room_left)
                if judged is None:
                    lost += LENGTH_BYTES + n
                    continue
                entry, version, destination, allowed = judged
                grown += len(entry) - n
                n = len(entry)
                settled = False
            if not allowed:
                drop("bad_source")
                lost += LENGTH_BYTES + n
                continue
            if not settled and not settle(entry):
                drop("malformed")
                lost += LENGTH_BYTES + n
                continue
            packets += 1
            if hub and relay(peer, entry, version, destination):
                continue
            write(entry)
        if i != end:
            drop("malformed")
        if hub:
            outbound.flush()
        counters[row + RX_PACKETS] += packets
        counters[row + RX_BYTES] += i + grown - lost - ENTRY_BYTES * packets

    def unusual(
        session: Session, row: int, entry: memoryview, room_left: int
    ) -> tuple[memoryview, int, int | bytes, bool] | None:
        """An entry with IPv4 options, or a compressed one, which may become at most `room_left` bytes longer. The entry as it
        was, its version byte, its destination, and whether the peer may send from its source. None: it was dropped."""
        if entry[VNET_BYTES] == FRAME_START:
            whole = None if session.inflate is None else session.inflate(entry, room_left)
            if whole is None:
                drop("compressed")
                return None
            counters[row + RX_SAVED] += len(whole) - len(entry)
            entry = whole
        version, peer = entry[VNET_BYTES], session.peer
        if 0x45 <= version <= 0x4F and len(entry) >= VNET_BYTES + (version & 15) * 4:
            source_v4, destination_v4 = get_v4(entry, VNET_BYTES + 12)
            return entry, version, destination_v4, source_v4 in peer.known_v4 or may_send_v4(peer, source_v4)
        if 0x60 <= version <= 0x6F and len(entry) >= VNET_BYTES + 40:
            _, source, destination = get_v6(entry, VNET_BYTES + 6)
            return entry, version, destination, source in peer.known_v6 or may_send_v6(peer, source)
        drop("malformed")
        return None

    def relay(peer: Peer, entry: memoryview, version: int, destination: int | bytes) -> bool:
        """On a hub: pass on a packet that is for another peer. False: it is for this host, or this host's kernel routes it."""
        if isinstance(destination, int):
            if destination in world.own_v4:
                return False
            to = world.hosts_v4.get(destination) or world.find_v4(destination)
        else:
            if destination in world.own_v6:
                return False
            to = world.hosts_v6.get(destination) or world.find_v6(destination)
        if to is None or to is peer:
            return False
        if not spend_hop(entry, version):
            expired(peer, entry)
            return True
        if to.session is None:
            world.hold(to, bytes(entry))
        else:
            outbound.forward(to.session, entry)
        return True

    def expired(peer: Peer, entry: memoryview) -> None:
        """Drop a packet of `peer` that has no hops left, and tell the peer."""
        drop("hop_limit")
        error = world.icmp.time_exceeded(entry, world.now)
        if error is not None and peer.session is not None:
            outbound.forward(peer.session, memoryview(error))

    def sink_for(link: Driver) -> RecordSink:
        def sink(header: Octets, body: Octets, room: memoryview, source: SocketAddress | None) -> bool:
            try:
                return open_record(link, header, body, room, source)
            except Exception as error:  # noqa: BLE001  a mistake of ours must not cost everybody's sessions
                drop("raised")
                up.raised(error)
                outbound.flush()
                return True

        return sink

    return sink_for


def spend_hop(entry: memoryview, version: int) -> bool:
    """Lower the TTL (RFC 1812, 5.3.1; checksum by RFC 1624) or the hop limit (RFC 8200, 3) by one. False: none was left."""
    at = VNET_BYTES + (8 if version < 0x60 else 7)
    if entry[at] <= 1:
        return False
    entry[at] -= 1
    if version < 0x60:
        checksum = (entry[VNET_BYTES + 10] << 8 | entry[VNET_BYTES + 11]) + 0x0100
        checksum += checksum >> 16
        entry[VNET_BYTES + 10] = checksum >> 8 & 0xFF
        entry[VNET_BYTES + 11] = checksum & 0xFF
    return True
