"""The record in which a node says where it can be called, and who can read it. Pure.

    tag        SHA-256("LLP1 libp2p where" and the node's public identity): what a network sees of that identity
    provided   multihash of the tag: the libp2p peers that say to be this node
    key        /llp/TAG/PEER-ID
    value      protobuf { 1: body  2: signature of "LLP1 libp2p place", the key and the body, by the peer's key }
    body       protobuf { 1: PublicKey  2: issued  3: expires (seconds since 1970)  4: salt (32 bytes)  5: sealed places }
    sealed     ChaCha20-Poly1305 of endpoints, one a line; the key of just this record is HKDF-SHA256 of identity and salt

Whoever keeps records can check that the peer of the key made this one, so nobody replaces it, and learns neither identity nor
endpoints. Whoever knows the identity finds and reads it. He could also write one under another peer id: what is found is a hint,
and a peer is who proves it in the handshake of LLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.api.values import RELAY, Endpoint, is_address
from appliance_discovery_libp2p.kad.messages import Record
from appliance_discovery_libp2p.kad.reach import Reach, reach
from appliance_discovery_libp2p.kad.store import Judged
from appliance_discovery_libp2p.wire import keys, protobuf, varint
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed

WHERE: Final = b"LLP1 libp2p where"
SIGNED: Final = b"LLP1 libp2p place"
SEALED: Final = b"LLP1 libp2p sealed"
NAMESPACE: Final = b"/llp/"
SALT_BYTES: Final = 32
LONGEST: Final = 2048
"""Bytes of a value."""
MOST_ENDPOINTS: Final = 8
FORCE_SECONDS: Final = 24 * 3600.0
"""For which a record is in force; it is made anew long before."""
MOST_FORCE_SECONDS: Final = 48 * 3600.0
SKEW_SECONDS: Final = 600.0
"""By which clocks may differ."""


class Found(NamedTuple):
    """What a record says."""

    endpoints: tuple[Endpoint, ...]
    """Best first; hosts are address literals."""
    issued: float


def tag(identity: str) -> bytes:
    """What a network sees of a node's public identity."""
    return sha256(WHERE + identity.encode()).digest()


def provided(identity: str) -> bytes:
    """The key under which a node's libp2p peer is found."""
    return keys.SHA2_256 + tag(identity)


def key(identity: str, peer: bytes) -> bytes:
    """The key of the record of the node with this identity, whose libp2p peer is `peer`."""
    return NAMESPACE + tag(identity).hex().encode() + b"/" + keys.id_text(peer).encode()


def topic(identity: str) -> str:
    """Where the record is told when it changes."""
    return (NAMESPACE + tag(identity).hex().encode()).decode()


def made(own: OwnKey, identity: str, endpoints: Sequence[Endpoint], now: float, salt: bytes) -> Record:
    """This node's record, in force from now on. `salt`: 32 random bytes, new each time."""
    said = "\n".join(map(str, endpoints[:MOST_ENDPOINTS])).encode()
    sealed = ChaCha20Poly1305(_seal_key(identity, salt)).encrypt(bytes(12), said, None)
    issued = int(now)
    body = protobuf.write((1, own.public), (2, issued), (3, issued + int(FORCE_SECONDS)), (4, salt), (5, sealed))
    under = key(identity, own.peer)
    return Record(under, protobuf.write((1, body), (2, own.sign(_signed(under, body)))))


def judge(record: Record, now: float) -> Judged:
    """Whether the peer of its key made it, and until when it is in force. Raises Malformed."""
    return _judged(record, now)[0]


def opened(record: Record, identity: str, now: float) -> Found:
    """What it says to whoever knows the identity. Raises Malformed."""
    judged, fields = _judged(record, now)
    salt, sealed = protobuf.octets(fields, 4, SALT_BYTES), protobuf.octets(fields, 5, LONGEST)
    if not record.key.startswith(topic(identity).encode() + b"/") or salt is None or len(salt) != SALT_BYTES or sealed is None:
        raise Malformed("place")
    try:
        said = ChaCha20Poly1305(_seal_key(identity, salt)).decrypt(bytes(12), sealed, None).decode("ascii")
        endpoints = map(Endpoint.parse, said.split("\n")[:MOST_ENDPOINTS] if said else ())
        return Found(tuple(filter(callable_from_here, endpoints)), judged.issued)
    except (InvalidTag, ValueError) as error:
        raise Malformed("place") from error


def callable_from_here(endpoint: Endpoint) -> bool:
    """An address of a network, or a relay; names could be anything, and are not looked up for strangers."""
    if endpoint.scheme == RELAY:
        return not endpoint.host
    return is_address(endpoint.host) and endpoint.port > 0 and reach(endpoint.host) > Reach.HOST


def _judged(record: Record, now: float) -> tuple[Judged, protobuf.Fields]:
    if len(record.value) > LONGEST or not record.key.startswith(NAMESPACE):
        raise Malformed("place")
    outer = protobuf.read(record.value)
    body, signature = protobuf.octets(outer, 1, LONGEST), protobuf.octets(outer, 2, LONGEST)
    if body is None or signature is None:
        raise Malformed("place")
    fields = protobuf.read(body)
    public = protobuf.octets(fields, 1, keys.LONGEST_KEY)
    issued, expires = protobuf.integer(fields, 2), protobuf.integer(fields, 3)
    if public is None or issued is None or expires is None:
        raise Malformed("place")
    if not _is_key_of(record.key, public) or not issued < expires <= issued + MOST_FORCE_SECONDS:
        raise Malformed("place")
    if not issued - SKEW_SECONDS <= now < expires:
        raise Malformed("record old")
    keys.verify(public, signature, _signed(record.key, body))
    return Judged(float(issued), float(expires)), fields


def _is_key_of(under: bytes, public: bytes) -> bool:
    words = under.split(b"/")
    named = words[-1] == keys.id_text(keys.peer_id(public)).encode()
    return len(words) == 4 and len(words[2]) == 64 and named


def _signed(under: bytes, body: bytes) -> bytes:
    return SIGNED + varint.framed(under) + body


def _seal_key(identity: str, salt: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, SEALED).derive(identity.encode())
