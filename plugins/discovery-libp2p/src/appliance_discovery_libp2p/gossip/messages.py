"""What peers of gossipsub say to each other (specs, pubsub/README.md and gossipsub/gossipsub-v1.1.md), with its length before it.

    RPC      { 1: SubOpts { 1: subscribe  2: topic }…  2: Message…  3: Control }
    Message  { 1: from  2: data  3: number  4: topic  5: signature  6: PublicKey }
    Control  { 1: IHAVE { 1: topic  2: ids… }…  2: IWANT { 1: ids… }…
               3: GRAFT { 1: topic }…  4: PRUNE { 1: topic  3: seconds }… }

Messages are signed always (StrictSign): over "libp2p-pubsub:" and fields 1 to 4.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance_discovery_libp2p.wire import keys, protobuf
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed

LONGEST: Final = 256 * 1024
"""Bytes of an RPC that is read."""
LONGEST_DATA: Final = 16 * 1024
LONGEST_TOPIC: Final = 256
LONGEST_NUMBER: Final = 32
LONGEST_ID: Final = keys.LONGEST_ID + LONGEST_NUMBER
LONGEST_SIGNATURE: Final = 1024
MOST_ENTRIES: Final = 256
"""Of one kind in an RPC; an honest one has a few. What stands behind them is not looked at."""
SIGNED: Final = b"libp2p-pubsub:"


class Message(NamedTuple):
    """Something that a peer published."""

    origin: bytes
    """Its peer id, proved by the signature."""
    data: bytes | None
    number: bytes
    topic: str
    signature: bytes = b""
    public: bytes | None = None

    @property
    def id(self) -> bytes:
        """What it is known by: origin and number."""
        return self.origin + self.number


class Rpc(NamedTuple):
    """All that is said at once."""

    subscriptions: tuple[tuple[str, bool], ...] = ()
    """(topic, subscribed or not any more)"""
    messages: tuple[Message, ...] = ()
    have: tuple[tuple[str, tuple[bytes, ...]], ...] = ()
    want: tuple[bytes, ...] = ()
    graft: tuple[str, ...] = ()
    prune: tuple[tuple[str, int], ...] = ()
    """(topic, seconds in which not to graft again)"""
    malformed: int = 0
    """Messages that were none."""


def signed(own: OwnKey, topic: str, data: bytes, number: int) -> Message:
    """A message of this node's."""
    message = Message(own.peer, data, number.to_bytes(8, "big"), topic)
    return message._replace(signature=own.sign(SIGNED + _unsigned(message)))


def verify(message: Message) -> None:
    """Raises Malformed unless its origin signed it."""
    public = message.public if message.public is not None else keys.inline_key(message.origin)
    if public is None or keys.peer_id(public) != message.origin:
        raise Malformed("signature")
    keys.verify(public, message.signature, SIGNED + _unsigned(message))


def write(rpc: Rpc) -> bytes:
    """Without its length."""
    control = protobuf.write(
        *((1, protobuf.write((1, topic.encode()), *((2, one) for one in ids))) for topic, ids in rpc.have),
        *((2, protobuf.write(*((1, one) for one in rpc.want))) for _ in range(bool(rpc.want))),
        *((3, protobuf.write((1, topic.encode()))) for topic in rpc.graft),
        *((4, protobuf.write((1, topic.encode()), (3, seconds))) for topic, seconds in rpc.prune),
    )
    return protobuf.write(
        *((1, protobuf.write((1, int(on)), (2, topic.encode()))) for topic, on in rpc.subscriptions),
        *((2, _write_message(message)) for message in rpc.messages),
        (3, control or None),
    )


def read(data: bytes) -> Rpc:
    """Raises Malformed. A single message that is none is counted, and the others are read."""
    allowance = protobuf.Allowance()
    fields = protobuf.read(data, allowance)
    subscriptions = [protobuf.read(one, allowance) for one in protobuf.every(fields, 1, LONGEST)[:MOST_ENTRIES]]
    written = protobuf.every(fields, 2, LONGEST)[:MOST_ENTRIES]
    read_well = [message for one in written if (message := _read_message(one, allowance)) is not None]
    control = protobuf.read(protobuf.octets(fields, 3, LONGEST) or b"", allowance)
    have, want, graft, prune = (
        [protobuf.read(one, allowance) for one in protobuf.every(control, number, LONGEST)[:MOST_ENTRIES]]
        for number in (1, 2, 3, 4)
    )
    return Rpc(
        tuple((_topic(one, 2), bool(protobuf.integer(one, 1))) for one in subscriptions),
        tuple(read_well),
        tuple((_topic(one, 1), _ids(one, 2)) for one in have),
        tuple(known for one in want for known in _ids(one, 1))[:MOST_ENTRIES],
        tuple(_topic(one, 1) for one in graft),
        tuple((_topic(one, 1), protobuf.integer(one, 3) or 0) for one in prune),
        len(written) - len(read_well),
    )


def _unsigned(message: Message) -> bytes:
    return protobuf.write((1, message.origin), (2, message.data), (3, message.number), (4, message.topic.encode()))


def _write_message(message: Message) -> bytes:
    return _unsigned(message) + protobuf.write((5, message.signature), (6, message.public))


def _read_message(data: bytes, allowance: protobuf.Allowance) -> Message | None:
    try:
        fields = protobuf.read(data, allowance)
        origin, number = protobuf.octets(fields, 1, keys.LONGEST_ID), protobuf.octets(fields, 3, LONGEST_NUMBER)
        signature = protobuf.octets(fields, 5, LONGEST_SIGNATURE)
        if origin is None or not keys.is_id(origin) or not number or not signature or len(fields.get(4, ())) != 1:
            return None
        said = protobuf.octets(fields, 2, LONGEST_DATA)
        return Message(origin, said, number, _topic(fields, 4), signature, protobuf.octets(fields, 6, keys.LONGEST_KEY))
    except Malformed:
        return None


def _topic(fields: protobuf.Fields, number: int) -> str:
    try:
        return (protobuf.octets(fields, number, LONGEST_TOPIC) or b"").decode()
    except UnicodeDecodeError as error:
        raise Malformed("gossip") from error


def _ids(fields: protobuf.Fields, number: int) -> tuple[bytes, ...]:
    return tuple(protobuf.every(fields, number, LONGEST_ID)[:MOST_ENTRIES])
