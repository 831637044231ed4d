"""What a peer says of itself: identify (libp2p specs, identify/README.md).

protobuf { 5: protocol version  6: agent  1: PublicKey  2: addresses…  4: where the other was seen  3: protocols… }
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from appliance_discovery_libp2p.wire import keys, multiaddr, protobuf
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

IDENTIFY: Final = "/ipfs/id/1.0.0"
PUSH: Final = "/ipfs/id/push/1.0.0"
VERSION: Final = b"ipfs/0.1.0"
"""By the specification's examples; some refuse others."""
AGENT: Final = b"llp"
LONGEST: Final = 64 * 1024
"""Bytes of the message."""
MOST_ADDRESSES, MOST_PROTOCOLS = 16, 128
LONGEST_TEXT: Final = 256


class Identity(NamedTuple):
    """What counts of it."""

    addresses: tuple[Multiaddr, ...]
    """Where it says that it can be called."""
    protocols: frozenset[str]
    seen_at: Multiaddr | None
    """Where it sees us."""


def write(own: bytes, addresses: Sequence[Multiaddr], protocols: Sequence[str], seen_at: Multiaddr | None) -> bytes:
    """The message of a node with the PublicKey `own`."""
    return protobuf.write(
        (1, own),
        *((2, multiaddr.write(address)) for address in addresses),
        *((3, protocol.encode()) for protocol in protocols),
        (4, multiaddr.write(seen_at) if seen_at else None),
        (5, VERSION),
        (6, AGENT),
    )


def read(message: bytes) -> Identity:
    """Raises Malformed. Whose key it gives does not count: that is proved already."""
    fields = protobuf.read(message)
    protobuf.octets(fields, 1, keys.LONGEST_KEY)
    found = map(multiaddr.read, protobuf.every(fields, 2, LONGEST)[:MOST_ADDRESSES])
    protocols = protobuf.every(fields, 3, LONGEST_TEXT)[:MOST_PROTOCOLS]
    seen = protobuf.every(fields, 4, LONGEST)
    return Identity(
        tuple(address for address in found if address is not None),
        frozenset(protocol.decode("utf-8", "replace") for protocol in protocols),
        multiaddr.read(seen[-1]) if seen else None,
    )
