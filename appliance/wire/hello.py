"""The three handshake messages in their binary form. Owns the layouts; what the fields mean is the handshake's matter.

ClientHello, the body of a HandshakeInit with stream 0. The cookie comes first so that the first fragment carries it:

     0         1          2        2+c      6+c       38+c       70+c       72+c       72+c+m
    +---------+----------+--------+--------+---------+----------+----------+----------+------------------------+---------+
    | version | cookie   | cookie | index  | random  | X25519   | m: 0 or  | ML-KEM   | n | kex u16 * n        | padding |
    | u8 = 1  | bytes c  | c      | u32    | 32      | 32       | 1568 u16 | m        | n | suite u16 * n      | zeros   |
    +---------+----------+--------+--------+---------+----------+----------+----------+------------------------+---------+
                                  |<---------------- core: what the transcript covers ---------------------->|

ServerHello, the body of a HandshakeResponse:

     0        4             20        52        84      86        88         90          90+m
    +--------+-------------+---------+---------+-------+---------+----------+-----------+----------+----------+
    | index  | session id  | random  | X25519  | kex   | suite   | m: 0 or  | ML-KEM    | s: bytes | sealed   |
    | u32    | UUID v4, 16 | 32      | 32      | u16   | u16     | 1568 u16 | m         | u16      | s        |
    +--------+-------------+---------+---------+-------+---------+----------+-----------+----------+----------+
    |<----------------------------------- core ---------------------------------------->|

ClientFinish, the body of a HandshakeInit with the responder's index in its stream: the sealed bytes and nothing else.
CookieReply, the body of a HandshakeResponse with FLAG_COOKIE: the first 16 bytes of the ClientHello's random, then the cookie.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from appliance.errors import PeerFault
from appliance.wire.envelope import MAX_SESSION_INDEX
from appliance.wire.faults import Fault

VERSION = 1
RANDOM_BYTES = 32
X25519_BYTES = 32
MLKEM_SHARE_BYTES = 1568
"""Encapsulation key and ciphertext of ML-KEM-1024 have the same length (FIPS 203, table 3)."""
MAX_COOKIE_BYTES = 64
MAX_OFFERS = 16
"""Suites, or key exchanges, that one hello may offer. Four of each exist."""
COOKIE_ECHO_BYTES = 16
"""Bytes of the hello's random that a cookie reply repeats."""

_U16 = struct.Struct("!H")
_CLIENT_FIXED = struct.Struct(f"!I{RANDOM_BYTES}s{X25519_BYTES}sH")
_SERVER_FIXED = struct.Struct(f"!I16s{RANDOM_BYTES}s{X25519_BYTES}sHHH")


class ClientHello(NamedTuple):
    """What the initiator offers."""

    session_index: int
    """The index that the initiator chose for the session."""
    random: bytes
    """32 bytes."""
    x25519: bytes
    """A public key of 32 bytes."""
    mlkem: bytes
    """An encapsulation key of 1,568 bytes; empty if no post-quantum exchange is offered."""
    kex: tuple[int, ...]
    """Key exchanges by their numbers (`protocol.exchange.Kex`), most wanted first."""
    suites: tuple[int, ...]
    """Suites by their numbers, most wanted first."""

    def core(self) -> bytes:
        """The bytes that the transcript covers. They are the same in both encodings."""
        fixed = _CLIENT_FIXED.pack(self.session_index, self.random, self.x25519, len(self.mlkem))
        return fixed + self.mlkem + _numbers(self.kex) + _numbers(self.suites)


class ServerHello(NamedTuple):
    """What the responder chose."""

    session_index: int
    """The index that the responder chose for the session."""
    session_id: bytes
    """A UUID of version 4, 16 bytes."""
    random: bytes
    """32 bytes."""
    x25519: bytes
    """A public key of 32 bytes."""
    kex: int
    """Its number (`protocol.exchange.Kex`)."""
    suite: int
    """Its number."""
    mlkem: bytes
    """A ciphertext of 1,568 bytes; empty if the exchange is not post-quantum."""
    sealed: bytes
    """The responder's identity and signature."""

    def core(self) -> bytes:
        """The bytes that the transcript covers. They are the same in both encodings."""
        fixed = _SERVER_FIXED.pack(
            self.session_index, self.session_id, self.random, self.x25519, self.kex, self.suite, len(self.mlkem)
        )
        return fixed + self.mlkem


class Opening(NamedTuple):
    """What the first piece of a ClientHello tells before the rest is there."""

    cookie: bytes
    """Empty if there is none."""
    session_index: int
    random: bytes


def encode_client_hello(hello: ClientHello, cookie: bytes = b"", pad_to: int = 0) -> bytes:
    """The body of a ClientHello, padded with zeros to `pad_to` bytes if it is shorter."""
    body = bytes((VERSION, len(cookie))) + cookie + hello.core()
    return body.ljust(pad_to, b"\0")


def decode_client_hello(body: bytes) -> tuple[ClientHello, bytes]:
    """The hello and its cookie (empty if there is none). Raises PeerFault."""
    at = 2 + len(_cookie(body))
    try:
        index, random, x25519, mlkem_bytes = _CLIENT_FIXED.unpack_from(body, at)
    except struct.error:
        raise PeerFault(Fault.MALFORMED) from None
    at += _CLIENT_FIXED.size
    if mlkem_bytes not in (0, MLKEM_SHARE_BYTES) or at + mlkem_bytes > len(body):
        raise PeerFault(Fault.MALFORMED)
    mlkem = body[at : at + mlkem_bytes]
    kex, at = _read_numbers(body, at + mlkem_bytes)
    suites, at = _read_numbers(body, at)
    if any(body[at:]):
        raise PeerFault(Fault.MALFORMED)
    return ClientHello(session_index(index), random, x25519, mlkem, kex, suites), _cookie(body)


def peek_client_hello(fragment: bytes) -> Opening:
    """What the first piece alone tells. Raises PeerFault if it does not."""
    cookie = _cookie(fragment)
    try:
        index, random, _, _ = _CLIENT_FIXED.unpack_from(fragment, 2 + len(cookie))
    except struct.error:
        raise PeerFault(Fault.MALFORMED) from None
    return Opening(cookie, session_index(index), random)


def encode_server_hello(hello: ServerHello) -> bytes:
    """The body of a ServerHello."""
    return hello.core() + _U16.pack(len(hello.sealed)) + hello.sealed


def decode_server_hello(body: bytes) -> ServerHello:
    """The hello. Raises PeerFault."""
    try:
        index, session_id, random, x25519, kex, suite, mlkem_bytes = _SERVER_FIXED.unpack_from(body)
        at = _SERVER_FIXED.size + mlkem_bytes
        (sealed_bytes,) = _U16.unpack_from(body, at)
    except struct.error:
        raise PeerFault(Fault.MALFORMED) from None
    if mlkem_bytes not in (0, MLKEM_SHARE_BYTES) or len(body) != at + _U16.size + sealed_bytes:
        raise PeerFault(Fault.MALFORMED)
    mlkem, sealed = body[_SERVER_FIXED.size : at], body[at + _U16.size :]
    return ServerHello(session_index(index), session_id, random, x25519, kex, suite, mlkem, sealed)


def encode_cookie_reply(random: bytes, cookie: bytes) -> bytes:
    """The body of the answer to a ClientHello with this random. Its first bytes repeat those of the random: they show that we saw
    the hello."""
    return random[:COOKIE_ECHO_BYTES] + cookie


def decode_cookie_reply(body: bytes, random: bytes) -> bytes:
    """The cookie to send along. Raises PeerFault unless the reply answers the hello with this random."""
    cookie = body[COOKIE_ECHO_BYTES:]
    if body[:COOKIE_ECHO_BYTES] != random[:COOKIE_ECHO_BYTES] or not 1 <= len(cookie) <= MAX_COOKIE_BYTES:
        raise PeerFault(Fault.BAD_COOKIE_REPLY)
    return cookie


def session_index(number: int) -> int:
    """The index, if it is valid: not 0, and of 24 bits, as many as a header has for it. Raises PeerFault."""
    if not 1 <= number <= MAX_SESSION_INDEX:
        raise PeerFault(Fault.MALFORMED)
    return number


def _cookie(body: bytes) -> bytes:
    if len(body) < 2:
        raise PeerFault(Fault.MALFORMED)
    if body[0] != VERSION:
        raise PeerFault(Fault.VERSION)
    if body[1] > MAX_COOKIE_BYTES or len(body) < 2 + body[1]:
        raise PeerFault(Fault.MALFORMED)
    return body[2 : 2 + body[1]]


def _numbers(numbers: tuple[int, ...]) -> bytes:
    return bytes((len(numbers),)) + b"".join(map(_U16.pack, numbers))


def _read_numbers(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    if at >= len(body):
        raise PeerFault(Fault.MALFORMED)
    count = body[at]
    end = at + 1 + 2 * count
    if not 1 <= count <= MAX_OFFERS or end > len(body):
        raise PeerFault(Fault.MALFORMED)
    return struct.unpack_from(f"!{count}H", body, at + 1), end
