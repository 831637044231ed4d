from __future__ import annotations

import pytest

from appliance.errors import PeerFault
from appliance.wire import hello, hello_json
from appliance.wire.hello import ClientHello, ServerHello

CLIENT = ClientHello(4711, b"r" * 32, b"x" * 32, b"m" * 1568, (1, 2), (1, 2, 0x8001))
CLASSICAL = CLIENT._replace(mlkem=b"", kex=(2,))
SERVER = ServerHello(815, b"0123456789abcdef", b"R" * 32, b"X" * 32, 1, 2, b"c" * 1568, b"s" * 7331)


@pytest.mark.parametrize("client", [CLIENT, CLASSICAL])
@pytest.mark.parametrize("cookie", [b"", b"k" * 32])
@pytest.mark.parametrize("pad_to", [0, 3136])
def test_a_client_hello_survives(client: ClientHello, cookie: bytes, pad_to: int) -> None:
    body = hello.encode_client_hello(client, cookie, pad_to)
    assert hello.decode_client_hello(body) == (client, cookie)
    assert len(body) >= pad_to
    assert hello.peek_client_hello(body[:200]) == (cookie, client.session_index, client.random)


def test_a_server_hello_survives() -> None:
    assert hello.decode_server_hello(hello.encode_server_hello(SERVER)) == SERVER
    assert hello_json.decode_server_hello(hello_json.encode_server_hello(SERVER)) == SERVER


def test_both_encodings_have_the_same_core() -> None:
    binary, _ = hello.decode_client_hello(hello.encode_client_hello(CLIENT, b"cookie", 3136))
    text = hello_json.decode_client_hello(hello_json.encode_client_hello(CLIENT))
    assert binary.core() == text.core() == CLIENT.core()
    assert len(CLIENT.core()) == 4 + 32 + 32 + 2 + 1568 + 1 + 4 + 1 + 6


def test_a_cookie_reply_answers_one_hello_only() -> None:
    body = hello.encode_cookie_reply(CLIENT.random, b"cookie")
    assert hello.decode_cookie_reply(body, CLIENT.random) == b"cookie"
    with pytest.raises(PeerFault, match="bad-cookie-reply"):
        hello.decode_cookie_reply(body, bytes(32))
    with pytest.raises(PeerFault, match="bad-cookie-reply"):
        hello.decode_cookie_reply(body[:16], CLIENT.random)


def test_every_shortened_hello_is_malformed() -> None:
    for decode, body in (
        (hello.decode_client_hello, hello.encode_client_hello(CLIENT, b"cookie")),
        (hello.decode_server_hello, hello.encode_server_hello(SERVER)),
    ):
        for length in range(0, len(body), 7):
            with pytest.raises(PeerFault, match="malformed"):
                decode(body[:length])


def test_another_version_is_named() -> None:
    body = bytearray(hello.encode_client_hello(CLIENT))
    body[0] = 2
    with pytest.raises(PeerFault, match="version"):
        hello.decode_client_hello(bytes(body))


@pytest.mark.parametrize(
    "body",
    [
        hello.encode_client_hello(CLIENT) + b"\0\0x",  # padding that is none
        hello.encode_client_hello(CLIENT._replace(kex=())),
        hello.encode_client_hello(CLIENT._replace(suites=tuple(range(17)))),
        hello.encode_client_hello(CLIENT._replace(mlkem=b"m" * 100)),
        bytes((1, 65)) + bytes(3000),  # a cookie too long
    ],
)
def test_what_no_encoder_makes_is_malformed(body: bytes) -> None:
    with pytest.raises(PeerFault, match="malformed"):
        hello.decode_client_hello(body)


@pytest.mark.parametrize("index", [0, 1 << 24, 0xFFFFFFFF])
def test_an_index_that_no_header_can_carry_is_malformed(index: int) -> None:
    client, server = CLIENT._replace(session_index=index), SERVER._replace(session_index=index)
    for decode, body in (
        (hello.decode_client_hello, hello.encode_client_hello(client)),
        (hello.peek_client_hello, hello.encode_client_hello(client, b"cookie")),
        (hello.decode_server_hello, hello.encode_server_hello(server)),
        (hello_json.decode_client_hello, hello_json.encode_client_hello(client)),
        (hello_json.decode_server_hello, hello_json.encode_server_hello(server)),
    ):
        with pytest.raises(PeerFault, match="malformed"):
            decode(body)


@pytest.mark.parametrize("index", [1, (1 << 24) - 1])
def test_the_least_and_the_largest_index_survive(index: int) -> None:
    body = hello.encode_server_hello(SERVER._replace(session_index=index))
    assert hello.decode_server_hello(body).session_index == index
