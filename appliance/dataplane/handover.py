"""What workers of one node hand over to each other: packets and records that came to one and belong to another. Not hot.

Each session lives in the worker that has its link. The kernel spreads the packets of the TUN over the workers' queues by flow.
From what a worker writes it learns which queue a flow belongs to, so few packets come to the wrong worker: the first of a flow,
those of flows in one direction only, and on a hub those for a peer of another worker. Records come to the wrong worker by the
shared socket of a listener.

    packet   [u8 0][virtio header, IP packet]
    record   [u8 1][u8 host's length][u8 local's length][u8 0][u32 link][u16 port][host][local][header, 24 bytes][body]

`host` and `port` are the source of the record; `host` is empty if the link is connected. `local` is the address of this host that
the source spoke to, empty if that is not known. Workers trust each other: the worker that opened a packet's record has checked
its source.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.wire.entries import LEAST, VNET_BYTES
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
"""Bytes of the longest message of either kind."""


class Record(NamedTuple):
    """A record that another worker received."""

    link: int
    """The number of the link that it came by."""
    source: SocketAddress | None
    """The far end; None if the link has only one."""
    local: str | None
    """The address of this host that the source spoke to; None if it is not known."""
    header: memoryview
    room: memoryview
    """The body, which can be opened in place."""


def encode_record(link: int, source: SocketAddress | None, local: str | None, header: Octets, body: Octets) -> tuple[Octets, ...]:
    """The pieces of the message that hands a record over."""
    host, port = source or ("", 0)
    near, far = (local or "").encode(), host.encode()
    return _record.pack(RECORD, len(far), len(near), link, port), far, near, header, body


def decode_record(message: memoryview) -> Record:
    """The record in a message that is not a packet."""
    _, far, near, link, port = _record.unpack_from(message)
    at = _record.size
    host, local = str(message[at : at + far], "ascii"), str(message[at + far : at + far + near], "ascii")
    at += far + near
    body = at + HEADER_BYTES
    return Record(link, (host, port) if host else None, local or None, message[at:body], message[body:])


def send_packet(world: World, outbound: Outbound, entry: memoryview) -> None:
    """Send a packet that another worker handed over, at the latest when `outbound.flush` is called. It is never handed on."""
    if len(entry) < LEAST:
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
