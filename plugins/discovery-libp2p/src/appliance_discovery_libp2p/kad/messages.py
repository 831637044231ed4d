"""Messages of libp2p's Kademlia (specs, kad-dht/README.md), each with its length before it.

Message  { 1: type  2: key  3: Record  8: closer Peers…  9: provider Peers…  10: cluster level }
Record   { 1: key  2: value  5: time received }
Peer     { 1: id  2: addresses…  3: how connected }
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from appliance_discovery_libp2p.wire import keys, multiaddr, protobuf
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

LONGEST: Final = 64 * 1024
"""Bytes of a message that is read: twenty peers with all their addresses have less than half of it."""
LONGEST_KEY: Final = 256
LONGEST_VALUE: Final = 8 * 1024
MOST_PEERS: Final = 20
"""Of one list, k of Kademlia: further ones are not looked at."""
MOST_ADDRESSES: Final = 8
"""Of one peer, likewise."""
LONGEST_ADDRESS: Final = 1024
LONGEST_TIME: Final = 64
CONNECTED, CAN_CONNECT = 1, 2


class Type(IntEnum):
    """What is asked, and answered."""

    PUT_VALUE = 0
    GET_VALUE = 1
    ADD_PROVIDER = 2
    GET_PROVIDERS = 3
    FIND_NODE = 4
    PING = 5


class Peer(NamedTuple):
    """Somebody, and where he can be called."""

    id: bytes
    addresses: tuple[Multiaddr, ...] = ()


class Record(NamedTuple):
    """A value under its key."""

    key: bytes
    value: bytes


class Message(NamedTuple):
    """A question, or its answer."""

    type: Type
    key: bytes = b""
    record: Record | None = None
    closer: tuple[Peer, ...] = ()
    providers: tuple[Peer, ...] = ()


def write_record(record: Record) -> bytes:
    """A record by itself."""
    return protobuf.write((1, record.key), (2, record.value))


def write(message: Message) -> bytes:
    """Without its length."""
    return protobuf.write(
        (1, message.type),
        (2, message.key),
        (3, write_record(message.record) if message.record else None),
        *((8, _peer(peer)) for peer in message.closer),
        *((9, _peer(peer)) for peer in message.providers),
    )


def read(data: bytes) -> Message:
    """Raises Malformed."""
    allowance = protobuf.Allowance()
    fields = protobuf.read(data, allowance)
    kind = protobuf.integer(fields, 1) or 0
    if kind > Type.PING:
        raise Malformed("kad")
    record = protobuf.octets(fields, 3, LONGEST)
    return Message(
        Type(kind),
        protobuf.octets(fields, 2, LONGEST_KEY) or b"",
        read_record(record, allowance) if record else None,
        _read_peers(protobuf.every(fields, 8, LONGEST), allowance),
        _read_peers(protobuf.every(fields, 9, LONGEST), allowance),
    )


def read_record(data: bytes, allowance: protobuf.Allowance | None = None) -> Record:
    """Raises Malformed."""
    fields = protobuf.read(data, allowance)
    key, value = protobuf.octets(fields, 1, LONGEST_KEY), protobuf.octets(fields, 2, LONGEST_VALUE)
    if not key or value is None:
        raise Malformed("kad")
    return Record(key, value)


def _peer(peer: Peer) -> bytes:
    addresses = ((2, multiaddr.write(address)) for address in peer.addresses[:MOST_ADDRESSES])
    return protobuf.write((1, peer.id), *addresses, (3, CAN_CONNECT))


def _read_peers(written: Sequence[bytes], allowance: protobuf.Allowance) -> tuple[Peer, ...]:
    return tuple(_read_peer(data, allowance) for data in written[:MOST_PEERS])


def _read_peer(data: bytes, allowance: protobuf.Allowance) -> Peer:
    fields = protobuf.read(data, allowance)
    peer = protobuf.octets(fields, 1, keys.LONGEST_ID)
    if peer is None or not keys.is_id(peer):
        raise Malformed("kad")
    found = map(multiaddr.read, protobuf.every(fields, 2, LONGEST_ADDRESS)[:MOST_ADDRESSES])
    own = (address for address in found if address is not None and address.peer in {None, peer})
    return Peer(peer, tuple(dict.fromkeys(own)))
