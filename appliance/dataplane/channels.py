"""Data channels: what comes on channels 2 to 255 of a peer goes to descriptors, and what is written into those goes to the peer.

    in    record of a peer's session -> channel by number -> one write                      (one body is one message)
    out   descriptor -> one read into the transmit buffer -> sealed onto the channel -> the link of the peer's session

A channel belongs to a peer and not to a session, so a session that moves or gets new keys loses nothing. Each descriptor is one
end of a SOCK_SEQPACKET pair. Its buffer is the only queue: what does not fit in is dropped and counted, and what cannot be sent
is not read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appliance.dataplane.counters import CHANNEL_RX_BYTES, CHANNEL_RX_RECORDS, CHANNEL_TX_BYTES, CHANNEL_TX_RECORDS
from appliance.wire.envelope import HEADER_BYTES, MAX_BODY_BYTES

if TYPE_CHECKING:
    from appliance.dataplane.peers import Channel, Session, World

SendBody = Callable[["Session", int, int], bool]
"""`Outbound.send_body`."""
GONE: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN})
"""Whoever had the other end has closed it."""


def deliver(world: World, session: Session, number: int, body: memoryview) -> bool:
    """Hand the body of a record to whoever has the channel open. False: it was dropped."""
    channel = session.peer.channels.get(number)
    if channel is None:
        world.drop("no_channel")
        return False
    if not body:  # in a socket a message of no bytes looks like its end
        world.drop("malformed")
        return False
    try:
        os.write(channel.descriptor, body)
    except OSError as error:
        channel.lost += 1
        world.drop("no_channel" if error.errno in GONE else "channel_full")
        return False
    world.counters[CHANNEL_RX_RECORDS] += 1
    world.counters[CHANNEL_RX_BYTES] += len(body)
    return True


def send_one(world: World, channel: Channel, session: Session, tx: memoryview, send_body: SendBody) -> int:
    """Send one message of a channel by a session whose link is not full.

    Returns its bytes (1 for one that was too long, and dropped). 0: nothing was read, because of the end of file or because a
    message had no bytes. Raises BlockingIOError if none waits.
    """
    most = MAX_BODY_BYTES - session.tag_bytes
    room = (tx[HEADER_BYTES : HEADER_BYTES + most + 1],)
    try:
        n = os.readv(channel.descriptor, room)
    except ConnectionResetError:  # it was closed with something unread, which is said once, before what is left to be read
        n = os.readv(channel.descriptor, room)
    if n > most:
        world.drop("oversized")
        return 1
    if n:
        channel.records += 1
        channel.bytes += n
        world.counters[CHANNEL_TX_RECORDS] += 1
        world.counters[CHANNEL_TX_BYTES] += n
        send_body(session, channel.number, n)
    return n
