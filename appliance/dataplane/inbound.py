"""From records to inner packets: the receiving half of the pipeline. Hot.

    link readable -> driver cuts out whole records -> header (protocol, checksum) -> session by index -> replay window asked
                  -> open in place -> window marked -> each entry: lengths, inner source allowed for this peer?
                  -> TUN write, or the next peer's session when this node is a hub
                  (a session that another worker has: the record is handed over, see dataplane.handover)

Nothing a peer sends raises past here: what is wrong is dropped and counted. What is not an IP record goes to the control process.
"""

from __future__ import annotations

import os
import struct
from binascii import crc_hqx
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.dataplane.compression import FRAME_START
from appliance.dataplane.counters import RX_BYTES, RX_EPOCH, RX_PACKETS, RX_RECORDS, RX_SAVED
from appliance.dataplane.outbound import ENTRY_BYTES, LENGTH_BYTES, VNET_BYTES, Outbound
from appliance.dataplane.vnet import GSO_NONE, acceptable
from appliance.wire.envelope import CRC_START, HEADER, PROTO, PacketType

if TYPE_CHECKING:
    from appliance.api.transport import Driver, RecordSink, SocketAddress
    from appliance.api.values import Octets
    from appliance.dataplane.peers import Peer, Session, World

MIN_ENTRY: Final = ENTRY_BYTES + 20
"""An entry with the shortest IP header."""

Write = Callable[[memoryview], None]


class Upward(NamedTuple):
    """What goes to the control process.

    `packet(link, source, bytes)`: a handshake packet. `message(session, kind, channel, body)`: an opened record that is not IP.
    `moved(session, link, source)`: the newest authentic record came by another path. `stalled(session)`: records of an epoch
    too far ahead arrive, so only a new handshake helps. `unknown(link, source, stream)`: a record for a session that is not here.
    """

    packet: Callable[[Driver, SocketAddress | None, bytes], None]
    message: Callable[[Session, int, int, bytes], None]
    moved: Callable[[Session, Driver, SocketAddress | None], None]
    stalled: Callable[[Session], None]
    unknown: Callable[[Driver, SocketAddress | None, int], None]


def tun_writer(descriptor: int, world: World, vnet: bool, split: Callable[[memoryview], list[bytes]]) -> Write:
    """`write(virtio header and packet)` to a TUN. Without virtio headers, or when the kernel refuses a kind of super-packet,
    `split` makes ordinary packets of it first."""
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
        except OSError:
            if entry[1] == GSO_NONE:
                drop("tun_refused")
            else:
                write_split(entry)

    return write


def compile_inbound(world: World, write: Write, outbound: Outbound, up: Upward) -> Callable[[Driver], RecordSink]:
    """Build the receiving half. Returns `sink_for(link)`, the function that link's driver passes its records to."""
    counters, sessions, elsewhere = world.counters, world.sessions, world.elsewhere
    get_header = HEADER.unpack_from
    #                       length  gso          version  v4 source and destination
    get_entry = struct.Struct("!HxB8xB11xII").unpack_from
    get_v4, get_v6 = struct.Struct("!II").unpack_from, struct.Struct("!16s16s").unpack_from
    nonce = bytearray(12)
    data, last_type = int(PacketType.DATA), int(max(PacketType))
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
        if newest and (link is not session.link or source != session.source):
            up.moved(session, link, source)
        if kind == data and not stream & 0xFF:
            deliver(session, row, room, end)
        elif kind <= last_type:
            up.message(session, kind, stream & 0xFF, bytes(room[:end]))
        else:
            drop("malformed")
        return True

    def deliver(session: Session, row: int, room: memoryview, end: int) -> None:
        """Pass on the entries in room[:end]."""
        peer = session.peer
        v4, v6, hub = peer.known_v4, peer.known_v6, world.hub
        i = packets = octets = 0
        while i < end:
            if end - i < MIN_ENTRY:
                drop("malformed")
                break
            n, gso, version, source, destination = get_entry(room, i)
            following = i + LENGTH_BYTES + n
            if following > end or n < VNET_BYTES + 20:
                drop("malformed")
                break
            entry = room[i + LENGTH_BYTES : following]
            i = following
            if 0x45 <= version <= 0x4F:
                allowed = source in v4 or peer.may_send_v4(source)
            elif 0x60 <= version <= 0x6F and n >= VNET_BYTES + 40:
                source, destination = get_v6(entry, VNET_BYTES + 8)
                allowed = source in v6 or peer.may_send_v6(source)
            else:
                whole = inflated(session, row, entry)
                if whole is None:
                    continue
                entry, version, destination, allowed = whole
                n = len(entry)
            if not allowed:
                drop("bad_source")
                continue
            if gso and not acceptable(entry):
                drop("malformed")
                continue
            packets += 1
            octets += n - VNET_BYTES
            if hub and relay(peer, entry, version, destination):
                continue
            write(entry)
        if hub:
            outbound.flush()
        counters[row + RX_PACKETS] += packets
        counters[row + RX_BYTES] += octets

    def inflated(session: Session, row: int, entry: memoryview) -> tuple[memoryview, int, int | bytes, bool] | None:
        """A compressed entry as it was: what it is, its version, destination, and whether the peer may send from its source."""
        if entry[VNET_BYTES] != FRAME_START:
            drop("malformed")
            return None
        whole = None if session.inflate is None else session.inflate(entry)
        if whole is None:
            drop("compressed")
            return None
        counters[row + RX_SAVED] += len(whole) - len(entry)
        version, peer = whole[VNET_BYTES], session.peer
        if 0x45 <= version <= 0x4F:
            source_v4, destination_v4 = get_v4(whole, VNET_BYTES + 12)
            return whole, version, destination_v4, source_v4 in peer.known_v4 or peer.may_send_v4(source_v4)
        if 0x60 <= version <= 0x6F and len(whole) >= VNET_BYTES + 40:
            source, destination = get_v6(whole, VNET_BYTES + 8)
            return whole, version, destination, source in peer.known_v6 or peer.may_send_v6(source)
        drop("malformed")
        return None

    def relay(peer: Peer, entry: memoryview, version: int, destination: int | bytes) -> bool:
        """On a hub: pass a packet for another peer on. False: it is for this host."""
        if isinstance(destination, int):
            to = world.hosts_v4.get(destination) or world.find_v4(destination)
        else:
            to = world.hosts_v6.get(destination) or world.find_v6(destination)
        if to is None:
            return False
        if to is peer:
            drop("not_forwarded")
            return True
        if not spend_hop(entry, version):
            expired(peer, entry)
            return True
        if to.session is None:
            world.hold(to, bytes(entry))
        else:
            outbound.forward(to.session, entry)
        return True

    def expired(peer: Peer, entry: memoryview) -> None:
        """Drop a packet of `peer` that has no hops left, and say so."""
        drop("hop_limit")
        error = world.icmp.time_exceeded(entry, world.now)
        if error is not None and peer.session is not None:
            outbound.forward(peer.session, memoryview(error))

    def sink_for(link: Driver) -> RecordSink:
        def sink(header: Octets, body: Octets, room: memoryview, source: SocketAddress | None) -> bool:
            return open_record(link, header, body, room, source)

        return sink

    return sink_for


def spend_hop(entry: memoryview, version: int) -> bool:
    """Take one off the TTL (RFC 1812, 5.3.1; checksum by RFC 1624) or the hop limit (RFC 8200, 3). False: none was left."""
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
