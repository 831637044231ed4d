"""Members of a network, and records that they wrote. Signatures are hashes (rigs/kademlia.py)."""

from __future__ import annotations

import functools

from rigs.kademlia import EPOCH, NETWORK, sign, verify

from appliance.knowledge.dht.ids import Id, node_id, pack_id, writer_distance
from appliance.knowledge.dht.judge import Judge
from appliance.knowledge.dht.node import Dht
from appliance.knowledge.dht.store import Store
from appliance.knowledge.dht.wire import Packed, Type
from appliance.knowledge.signed import Record, sign_record
from appliance.members.row import Digest
from appliance.protocol.digests import sha256

MEMBERS = [sha256(b"identity %d" % number) for number in range(400)]
KEYS = {member: sha256(b"key %d" % number) for number, member in enumerate(MEMBERS)}
WALL = float(EPOCH)


def id_of(member: Digest) -> Id:
    return node_id(NETWORK, member)


def record(
    point: Id,
    value: bytes = b"value",
    writer: int = 0,
    *,
    sequence: int = 1,
    seconds: int = 600,
    type_: Type = Type.VALUE,
    network: Digest = NETWORK,
    key: bytes | None = None,
) -> Record:
    """What that member wrote about a point."""
    member, written = MEMBERS[writer], EPOCH
    unsigned = Record(network, member, sequence, written, written + seconds, pack_id(point) + value)
    return sign_record(unsigned, type_.purpose, functools.partial(sign, key or KEYS[member]))


def packed(of: Record, type_: Type = Type.VALUE) -> Packed:
    return Packed(type_, of.encoded)


def node(jitter: float = 0.5) -> Dht:
    """The first member's, alone."""
    key = KEYS[MEMBERS[0]]
    return Dht(MEMBERS[0], NETWORK, lambda _wall: KEYS, functools.partial(sign, key), lambda: jitter, 0.0, verify)


def store_of(own: Id = 0) -> Store:
    """An empty one."""
    return Store(own, functools.partial(writer_distance, NETWORK))


def judge() -> Judge:
    """Of that network."""
    return Judge(NETWORK, lambda _wall: KEYS, verify)


def know(dht: Dht, *members: int, now: float = 0.0) -> None:
    """These answered."""
    for number in members:
        dht.table.heard(MEMBERS[number], id_of(MEMBERS[number]), now)
