"""The space of 160 bits in which members and keys are points, and how far two points are apart.

Kademlia: Maymounkov and Mazières, "Kademlia: A Peer-to-peer Information System Based on the XOR Metric", 2002. A member's point
is a hash of its identity, so it cannot choose it freely: who wants another one needs another certificate of the owner.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from appliance.members.row import Digest
from appliance.protocol.digests import sha256

BITS: Final = 160
ID_BYTES: Final = BITS // 8
LABEL: Final = b"LLP1 dht"
MOST_KEY: Final = 128
"""Bytes of a key, as programs name it."""

Id = int
"""A point. The distance of two is their XOR."""


@lru_cache(4096)
def node_id(network: Digest, member: Digest) -> Id:
    """Where a member is."""
    return _id(b"node", network, member)


def key_id(network: Digest, key: bytes) -> Id:
    """Where the records under a key are."""
    return _id(b"key", network, key)


def bucket_of(own: Id, other: Id) -> int:
    """0 to 159: the highest bit in which the two differ; -1 if they are the same."""
    return (own ^ other).bit_length() - 1


def pack_id(point: Id) -> bytes:
    """As it travels."""
    return point.to_bytes(ID_BYTES, "big")


def unpack_id(encoded: bytes) -> Id:
    """The point of `pack_id`."""
    return int.from_bytes(encoded, "big")


def _id(kind: bytes, network: Digest, name: bytes) -> Id:
    return unpack_id(sha256(b"\0".join((LABEL, kind, network + name)))[:ID_BYTES])
