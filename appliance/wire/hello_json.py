"""The three handshake messages as JSON text, for stream links. Same fields and the same transcript as in the binary form.

    {"type": "client_hello", "version": 1, "index": 4711, "random": B64, "x25519": B64, "mlkem1024": B64,
     "kex": [1], "suites": [1, 2]}
    {"type": "server_hello", "index": 815, "session_id": "8-4-4-4-12", "random": B64, "x25519": B64, "kex": 1, "suite": 1,
     "mlkem1024": B64, "sealed": B64}
    {"type": "client_finish", "sealed": B64}

B64 is standard base64 with padding (RFC 4648, section 4). Every key is required and no other is allowed.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any
from uuid import UUID

from appliance.errors import PeerFault
from appliance.wire.faults import Fault
from appliance.wire.hello import (
    MAX_OFFERS,
    MLKEM_SHARE_BYTES,
    RANDOM_BYTES,
    VERSION,
    X25519_BYTES,
    ClientHello,
    ServerHello,
    session_index,
)

_CLIENT_KEYS = {"type", "version", "index", "random", "x25519", "mlkem1024", "kex", "suites"}
_SERVER_KEYS = {"type", "index", "session_id", "random", "x25519", "kex", "suite", "mlkem1024", "sealed"}
_FINISH_KEYS = {"type", "sealed"}
_SHARE_SIZES = (0, MLKEM_SHARE_BYTES)
_MAX_SEALED_BYTES = 0xFFFF


def encode_client_hello(hello: ClientHello) -> bytes:
    """The text of a ClientHello."""
    return _dump(
        {
            "type": "client_hello",
            "version": VERSION,
            "index": hello.session_index,
            "random": _text(hello.random),
            "x25519": _text(hello.x25519),
            "mlkem1024": _text(hello.mlkem),
            "kex": list(hello.kex),
            "suites": list(hello.suites),
        }
    )


def decode_client_hello(body: bytes) -> ClientHello:
    """The hello. Raises PeerFault."""
    message = _load(body)
    if message.get("version") != VERSION and "version" in message:
        raise PeerFault(Fault.VERSION)
    _require(message, "client_hello", _CLIENT_KEYS)
    return ClientHello(
        session_index(_number(message["index"], 32)),
        _bytes(message["random"], (RANDOM_BYTES,)),
        _bytes(message["x25519"], (X25519_BYTES,)),
        _bytes(message["mlkem1024"], _SHARE_SIZES),
        _numbers(message["kex"]),
        _numbers(message["suites"]),
    )


def encode_server_hello(hello: ServerHello) -> bytes:
    """The text of a ServerHello."""
    return _dump(
        {
            "type": "server_hello",
            "index": hello.session_index,
            "session_id": str(UUID(bytes=hello.session_id)),
            "random": _text(hello.random),
            "x25519": _text(hello.x25519),
            "kex": hello.kex,
            "suite": hello.suite,
            "mlkem1024": _text(hello.mlkem),
            "sealed": _text(hello.sealed),
        }
    )


def decode_server_hello(body: bytes) -> ServerHello:
    """The hello. Raises PeerFault."""
    message = _load(body)
    _require(message, "server_hello", _SERVER_KEYS)
    return ServerHello(
        session_index(_number(message["index"], 32)),
        _uuid(message["session_id"]),
        _bytes(message["random"], (RANDOM_BYTES,)),
        _bytes(message["x25519"], (X25519_BYTES,)),
        _number(message["kex"], 16),
        _number(message["suite"], 16),
        _bytes(message["mlkem1024"], _SHARE_SIZES),
        _bytes(message["sealed"]),
    )


def encode_client_finish(sealed: bytes) -> bytes:
    """The text of the third message."""
    return _dump({"type": "client_finish", "sealed": _text(sealed)})


def decode_client_finish(body: bytes) -> bytes:
    """The sealed proof. Raises PeerFault."""
    message = _load(body)
    _require(message, "client_finish", _FINISH_KEYS)
    return _bytes(message["sealed"])


def _dump(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _load(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise PeerFault(Fault.MALFORMED) from None
    if not isinstance(message, dict):
        raise PeerFault(Fault.MALFORMED)
    return message


def _require(message: dict[str, Any], kind: str, keys: set[str]) -> None:
    if message.keys() != keys or message["type"] != kind:
        raise PeerFault(Fault.MALFORMED)


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _bytes(value: object, sizes: tuple[int, ...] = ()) -> bytes:
    try:
        data = b64decode(value, validate=True) if isinstance(value, str) else None
    except ValueError:
        data = None
    if data is None or (sizes and len(data) not in sizes) or len(data) > _MAX_SEALED_BYTES:
        raise PeerFault(Fault.MALFORMED)
    return data


def _uuid(value: object) -> bytes:
    if not isinstance(value, str):
        raise PeerFault(Fault.MALFORMED)
    try:
        return UUID(value).bytes
    except ValueError:
        raise PeerFault(Fault.MALFORMED) from None


def _number(value: object, bits: int) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise PeerFault(Fault.MALFORMED)
    return value


def _numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_OFFERS:
        raise PeerFault(Fault.MALFORMED)
    return tuple(_number(item, 16) for item in value)
