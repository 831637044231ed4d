"""Reading packets from one end of a SOCK_SEQPACKET pair, one packet a message.

At the other end is a program and not a kernel: what it says is judged like a peer's, so that nothing behind here meets a header
that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from appliance.dataplane.outbound import Read, tun_reader
from appliance.dataplane.vnet import settle
from appliance.wire.entries import LEAST, VNET_BYTES

NONSENSE: Final = 64
"""Messages that are no packets before others have their turn."""


def pair_reader(descriptor: int, vnet: bool, drop: Callable[[str], None]) -> Read:
    """As `tun_reader`. `drop(reason)` counts messages that are no packets. At the end of file, and for a message of no bytes, it
    returns no more than a virtio header."""
    read = tun_reader(descriptor, vnet)
    nothing = 0 if vnet else VNET_BYTES

    def read_packet(room: memoryview) -> int:
        for _ in range(NONSENSE):
            n = read(room)
            if n == nothing or is_packet(room[:n]):
                return n
            drop("malformed")
        raise BlockingIOError

    return read_packet


def is_packet(entry: memoryview) -> bool:
    """Is this a virtio header and an IP packet whose headers are there, as it says?"""
    if len(entry) < LEAST:
        return False
    ip_bytes, version = len(entry) - VNET_BYTES, entry[VNET_BYTES]
    if 0x45 <= version <= 0x4F:
        return ip_bytes >= (version & 15) * 4 and settle(entry)
    return 0x60 <= version <= 0x6F and ip_bytes >= 40 and settle(entry)
