from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from appliance.errors import PeerFault
from appliance.wire import hello_json
from appliance.wire.hello import ClientHello, ServerHello

CLIENT = ClientHello(4711, b"r" * 32, b"x" * 32, b"m" * 1568, (1,), (1, 2))
SERVER = ServerHello(815, b"0123456789abcdef", b"R" * 32, b"X" * 32, 1, 2, b"c" * 1568, b"s" * 7331)


def changed(text: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(text), **changes}).encode()


def test_the_three_messages_survive() -> None:
    assert hello_json.decode_client_hello(hello_json.encode_client_hello(CLIENT)) == CLIENT
    assert hello_json.decode_server_hello(hello_json.encode_server_hello(SERVER)) == SERVER
    assert hello_json.decode_client_finish(hello_json.encode_client_finish(b"sealed")) == b"sealed"


def test_the_text_is_for_people() -> None:
    message = json.loads(hello_json.encode_server_hello(SERVER))
    assert message["type"] == "server_hello"
    assert message["session_id"] == "30313233-3435-3637-3839-616263646566"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"type":' + b"9" * 5000 + b"}",
        changed(hello_json.encode_client_hello(CLIENT), index=True),
        changed(hello_json.encode_client_hello(CLIENT), index=-1),
        changed(hello_json.encode_client_hello(CLIENT), index=2**32),
        changed(hello_json.encode_client_hello(CLIENT), random="AAAA"),
        changed(hello_json.encode_client_hello(CLIENT), random="é"),
        changed(hello_json.encode_client_hello(CLIENT), x25519=None),
        changed(hello_json.encode_client_hello(CLIENT), mlkem1024="AAAA"),
        changed(hello_json.encode_client_hello(CLIENT), kex=[]),
        changed(hello_json.encode_client_hello(CLIENT), kex=[1] * 17),
        changed(hello_json.encode_client_hello(CLIENT), kex=[1.0]),
        changed(hello_json.encode_client_hello(CLIENT), suites={"1": 1}),
        changed(hello_json.encode_client_hello(CLIENT), extra=1),
        hello_json.encode_server_hello(SERVER),
    ],
)
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(PeerFault, match="malformed"):
        hello_json.decode_client_hello(body)


@pytest.mark.parametrize("session_id", [7, "x", "30313233", None])
def test_a_session_id_is_a_uuid(session_id: object) -> None:
    with pytest.raises(PeerFault, match="malformed"):
        hello_json.decode_server_hello(changed(hello_json.encode_server_hello(SERVER), session_id=session_id))


@pytest.mark.parametrize("decode", [hello_json.decode_server_hello, hello_json.decode_client_finish])
def test_messages_do_not_stand_in_for_each_other(decode: Callable[[bytes], object]) -> None:
    with pytest.raises(PeerFault, match="malformed"):
        decode(hello_json.encode_client_hello(CLIENT))


def test_another_version_is_named() -> None:
    with pytest.raises(PeerFault, match="version"):
        hello_json.decode_client_hello(changed(hello_json.encode_client_hello(CLIENT), version=2))
