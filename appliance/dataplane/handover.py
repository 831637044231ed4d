"""What workers of one node hand over to each other: packets and records that came to one and belong to another. Not hot.

Each session lives in one worker, where its link is. The kernel spreads the TUN's packets over the workers' queues by flow, and
learns from what a worker writes which queue a flow belongs to, so few packets come to the wrong one: a flow's first, those of
flows in one direction, and on a hub those for another worker's peer. Records come to the wrong one by a listener's shared socket.

    packet   [u8 0][virtio header, IP packet]
    record   [u8 1][u8 host's length][u8 local's length][u8 0][u32 link][u16 port][host][local][header, 24 bytes][body]

`host` and `port` are the record's source, with a host of no length where the link is connected; `local` is which of this host's
addresses the source spoke to, where that is known. Workers trust each other: a packet's source was checked by the one it came to.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.dataplane.outbound import VNET_BYTES
from appliance.wire.envelope import HEADER_BYTES, MAX_BODY_BYTES

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress
    from appliance.api.values import Octets
    from appliance.dataplane.outbound import Outbound
    from appliance.dataplane.peers import World

PACKET: Final = b"\0"
RECORD: Final = 1
_record = struct.Struct("!BBBxIH")
_v4 = struct.Struct("!B15xI")
MAX_MESSAGE: Final = _record.size + 2 * 255 + HEADER_BYTES + MAX_BODY_BYTES + 1
"""The longest of either kind."""


class Record(NamedTuple):
    """A record that came to another worker over the link of that number. `room` has its body and can be opened in place."""

    link: int
    source: SocketAddress | None
    local: str | None
    header: memoryview
    room: memoryview


def encode_record(link: int, source: SocketAddress | None, local: str | None, header: Octets, body: Octets) -> tuple[Octets, ...]:
    """A record as a message, in pieces."""
    host, port = source or ("", 0)
    near, far = (local or "").encode(), host.encode()
    return _record.pack(RECORD, len(far), len(near), link, port), far, near, header, body


def decode_record(message: memoryview) -> Record:
    """The record in a message that is no packet."""
    _, far, near, link, port = _record.unpack_from(message)
    at = _record.size
    host, local = str(message[at : at + far], "ascii"), str(message[at + far : at + far + near], "ascii")
    at += far + near
    body = at + HEADER_BYTES
    return Record(link, (host, port) if host else None, local or None, message[at:body], message[body:])


def send_packet(world: World, outbound: Outbound, entry: memoryview) -> None:
    """Send a packet that another worker handed over, when `outbound.flush` is called at the latest. It is not handed on."""
    if len(entry) < VNET_BYTES + 20:
        world.drop("malformed")
        return
    address: int | bytes
    version, address = _v4.unpack_from(entry, VNET_BYTES)
    if isinstance(address, int) and version < 0x60:
        own = address in world.own_v4
        peer = world.hosts_v4.get(address) or world.find_v4(address)
    else:
        address = bytes(entry[VNET_BYTES + 24 : VNET_BYTES + 40])
        own = address in world.own_v6
        peer = world.hosts_v6.get(address) or world.find_v6(address)
    if own:
        world.to_host(entry)
    elif peer is None:
        world.nowhere(address)
    elif peer.session is None:
        world.keep(peer, bytes(entry))
    else:
        outbound.forward(peer.session, entry)
