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

PLACE: Final = b"member\0"
"""Begins the key under which it stands where a member can be called. No key of a program does: those are texts without control
characters."""
MOST_TIMES: Final = 1.5
FREE: Final = 2
"""Of members that share p bits with a point, chance has `members / 2**p`. MOST_TIMES as many count, and FREE more: identities
ground to lie close to one point cannot be all that is there."""

Id = int
"""A point. The distance of two is their XOR."""


@lru_cache(4096)
def node_id(network: Digest, member: Digest) -> Id:
    """Where a member is."""
    return _id(b"node", network, member)


def key_id(network: Digest, key: bytes) -> Id:
    """Where the records under a key are."""
    return _id(b"key", network, key)


@lru_cache(4096)
def place_id(network: Digest, member: Digest) -> Id:
    """Where it stands where that member can be called."""
    return key_id(network, PLACE + member)


def by_chance(distance: Id, members: int) -> float:
    """How many of so many members, all that close to a point, still count: see MOST_TIMES."""
    return FREE + MOST_TIMES * members / 2.0 ** (BITS - distance.bit_length())


def writer_distance(network: Digest, writer: Digest, point: Id) -> Id:
    """How far a writer is from what it writes about: 0 if that is where it can be called itself."""
    return 0 if point == place_id(network, writer) else node_id(network, writer) ^ point


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
