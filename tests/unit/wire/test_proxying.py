"""What programs say to a proxy: SOCKS5 as RFC 1928 has it, and HTTP's CONNECT."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import PeerFault
from appliance.wire import http_connect, socks5
from appliance.wire.socks5 import Destination, Reply


@pytest.mark.parametrize(
    ("kind", "rest", "destination"),
    [
        (1, b"\x0a\x08\0\1\0\x50", Destination("10.8.0.1", 80)),
        (4, b"\xfd" + bytes(14) + b"\1\x01\xbb", Destination("fd00::1", 443)),
        (3, b"\6laptop\0\x16", Destination("laptop", 22)),
    ],
)
def test_a_destination_is_read_to_its_last_byte(kind: int, rest: bytes, destination: Destination) -> None:
    assert 1 + socks5.rest_of_address(kind, rest[0]) == len(rest)
    assert socks5.read_destination(kind, rest) == destination
    assert socks5.read_datagram(bytes(3) + bytes((kind,)) + rest + b"data") == (destination, b"data")
    assert socks5.encode_datagram(destination, b"data") == bytes(3) + bytes((kind,)) + rest + b"data"


def test_answers_are_those_of_the_rfc() -> None:
    assert socks5.reply(Reply.SUCCEEDED, ("127.0.0.1", 4096)) == b"\5\0\0\1\x7f\0\0\1\x10\0"
    assert socks5.reply(Reply.REFUSED) == b"\5\5\0\1" + bytes(6)
    assert socks5.chosen_method(b"\2\0") == 0
    assert socks5.chosen_method(b"\2") == 0xFF


def test_a_host_has_a_name() -> None:
    with pytest.raises(PeerFault):
        socks5.read_destination(3, b"\0\0\x50")


def test_a_part_of_a_larger_datagram_is_not_taken() -> None:
    with pytest.raises(PeerFault):
        socks5.read_datagram(b"\0\0\1\1\x0a\x08\0\1\0\x50data")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("CONNECT laptop:22 HTTP/1.1", ("laptop", 22)), ("CONNECT [fd00::1]:443 HTTP/1.0", ("fd00::1", 443))],
)
def test_a_connect_says_host_and_port(line: str, wanted: tuple[str, int]) -> None:
    assert http_connect.read_connect(f"{line}\r\nHost: x\r\n\r\n".encode()) == wanted


@pytest.mark.parametrize(
    "line",
    [
        "",
        "CONNECT",
        "CONNECT laptop HTTP/1.1",
        "CONNECT laptop:0 HTTP/1.1",
        "CONNECT laptop:99999 HTTP/1.1",
        "CONNECT :1 HTTP/1.1",
        "CONNECT a:1 SSH",
    ],
)
def test_what_is_no_connect_is_refused(line: str) -> None:
    with pytest.raises(PeerFault, match=http_connect.MALFORMED):
        http_connect.read_connect(f"{line}\r\n\r\n".encode())


def test_another_method_is_told_from_garbage() -> None:
    with pytest.raises(PeerFault, match=http_connect.NOT_CONNECT):
        http_connect.read_connect(b"GET http://laptop/ HTTP/1.1\r\n\r\n")
    assert b"Allow: CONNECT\r\n" in http_connect.answer(http_connect.NOT_ALLOWED)


@given(st.binary(max_size=600))
def test_any_bytes_are_judged(data: bytes) -> None:
    for read in (http_connect.read_connect, socks5.read_datagram):
        with suppress(PeerFault):
            read(data)
    with suppress(PeerFault):
        socks5.rest_of_address(*(data + b"\0\0")[:2])
