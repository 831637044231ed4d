"""Control messages: a head of JSON and perhaps raw bytes; what is none is a peer's fault, and nothing else is raised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.errors import LocalFault, PeerFault
from appliance.wire import control
from appliance.wire.control import MAX_CONTROL_BYTES, MAX_DEPTH, MAX_HEAD_BYTES, MAX_NUMBER, ControlMessage


@pytest.mark.parametrize(
    "message",
    [
        ControlMessage("observed", {"endpoint": "udp://198.51.100.1:8443", "n": [1, 2]}),
        ControlMessage("roster.row", {"ünïcödé": "\0 \x7f \U0001f980"}, b"\0\0 raw {}"),
        ControlMessage("roster.row", {}, b"", request=1),
        ControlMessage("roster.row", {"n": -(2**64) + 1, "x": 1.5}, b"signed", response=MAX_NUMBER),
        ControlMessage("roster.row", {}, response=7, refused=True),
    ],
)
def test_a_message_survives(message: ControlMessage) -> None:
    assert control.decode(control.encode(message)) == message


def test_the_bytes_of_one_message() -> None:
    """A head without a body is what it was before there were bodies."""
    assert control.encode(ControlMessage("compression", {"accepts": ["zstd"]})) == b'{"kind":"compression","accepts":["zstd"]}'
    assert control.encode(ControlMessage("q.a", {"n": 1}, b"\xff", response=2)) == b'{"kind":"q.a","response":2,"n":1}\0\xff'


def test_whose_a_message_is_shows_before_it_is_parsed() -> None:
    assert control.family_of(b'{"kind":"roster.row", garbage') == "roster"
    assert control.family_of(b' {\n"kind" : "compression"}') == "compression"
    assert control.family_of(b'{"n":1,"kind":"compression"}') is None
    message = control.decode(b'{"kind":"roster.row"}')
    assert (message.family, message.name) == ("roster", "row")


def test_a_message_has_a_longest_length() -> None:
    control.encode(ControlMessage("big", {}, bytes(MAX_CONTROL_BYTES - len('{"kind":"big"}') - 1)))
    for content, body in (({"text": "x" * MAX_HEAD_BYTES}, b""), ({}, bytes(MAX_CONTROL_BYTES))):
        with pytest.raises(LocalFault):
            control.encode(ControlMessage("big", content, body))
    for text in (b" " * (MAX_CONTROL_BYTES + 1), b'{"kind":"big","text":"' + b"x" * MAX_HEAD_BYTES + b'"}'):
        with pytest.raises(PeerFault, match="too-long"):
            control.decode(text)


@pytest.mark.parametrize("content", [{"kind": "x"}, {"request": 1}, {"x": {1, 2}}, {"x": float("nan")}, {"x": 2**64}])
def test_what_a_peer_would_refuse_is_not_sent(content: dict[str, Any]) -> None:
    with pytest.raises(LocalFault):
        control.encode(ControlMessage("x", content))


def test_half_a_character_is_not_sent() -> None:
    with pytest.raises(LocalFault):
        control.encode(ControlMessage("x", {"text": "\ud800"}))


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH])
def test_a_message_has_a_greatest_depth(depth: int) -> None:
    text = b'{"kind":"x","n":' + b"[" * depth + b"]" * depth + b"}"
    if depth < MAX_DEPTH:
        control.decode(text)
    else:
        with pytest.raises(PeerFault, match="malformed"):
            control.decode(text)


def test_many_flat_values_are_not_deep() -> None:
    assert control.decode(json.dumps({"kind": "x", "n": [[]] * 100}).encode()).content == {"n": [[]] * 100}


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\0",
        b"\xff",
        b"1",
        b"{}",
        b'{"n":1,"kind":"x"}',
        b'{"kind":""}',
        b'{"kind":1}',
        b'{"kind":"X"}',
        b'{"kind":"a.b.c"}',
        b'{"kind":"x."}',
        b'{"kind":"\\u0078"}',
        b'{"kind":"' + b"x" * 32 + b'"}',
        b'{"kind":"x","kind":"y"}',
        b'{"kind":"x","n":{"a":1,"a":2}}',
        b'{"kind":"x","n":' + b"[" * 8000,
        b'{"kind":"x","n":' + b"9" * 5000 + b"}",
        b'{"kind":"x","n":18446744073709551616}',
        b'{"kind":"x","n":1e999}',
        b'{"kind":"x","n":NaN}',
        b'{"kind":"x","n":"\\ud800"}',
        b'{"kind":"x","n":"\\uDC00"}',
        b'{"kind":"x","n":"\xed\xa0\x80"}',
        b'{"kind":"x"} x',
        b'{"kind":"x","request":0}',
        b'{"kind":"x","request":true}',
        b'{"kind":"x","request":1.0}',
        b'{"kind":"x","request":9007199254740992}',
        b'{"kind":"x","request":1,"response":2}',
        b'{"kind":"x","refused":true}',
        b'{"kind":"x","response":1,"refused":1}',
        '{"kind":"x"}'.encode("utf-16"),
        '\ufeff{"kind":"x"}'.encode(),
    ],
)
def test_anything_else_is_malformed(encoded: bytes) -> None:
    with pytest.raises(PeerFault, match="malformed"):
        control.decode(encoded)
