"""Addresses as text and as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance_discovery_libp2p.wire import multiaddr
from appliance_discovery_libp2p.wire.keys import OwnKey, id_text
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr, parse, read, write

PEER = OwnKey(bytes(32)).peer


@pytest.mark.parametrize(
    "text",
    [
        "/ip4/198.51.100.7/tcp/4001",
        f"/ip4/198.51.100.7/tcp/4001/p2p/{id_text(PEER)}",
        "/ip6/2001:db8::7/tcp/4001",
        "/dns/node.example/tcp/443",
        f"/dns4/node.example/tcp/443/p2p/{id_text(PEER)}",
        "/dns6/node.example/tcp/443",
    ],
)
def test_an_address_comes_back_from_text_and_from_bytes(text: str) -> None:
    assert str(parse(text)) == text
    assert read(write(parse(text))) == parse(text)


def test_the_bytes_are_those_of_the_table_of_codes() -> None:
    assert write(parse("/ip4/198.51.100.7/tcp/4001")).hex() == "04c6336407060fa1"
    assert write(Multiaddr("127.0.0.1", 1, PEER)).hex() == "047f000001060001a503" + f"{len(PEER):02x}" + PEER.hex()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "198.51.100.7:4001",
        "/ip4/198.51.100.7",
        "/ip4/198.51.100.7/udp/4001",
        "/ip4/2001:db8::7/tcp/4001",
        "/ip4/198.51.100.7/tcp/99999",
        "/ip4/198.51.100.7/tcp/x",
        "/ip4/198.51.100.7/tcp/4001/p2p/nobody",
        "/ip4/198.51.100.7/tcp/4001/http/x",
        "/onion/x/tcp/1",
        "/dns//tcp/1",
    ],
)
def test_what_is_none_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="write for example"):
        parse(text)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "04c63364",  # cut off
        "04c6336407910211",  # UDP
        "04c6336407060000",  # port 0
        "04c6336407060fa1cd03",  # QUIC behind it
        "04c6336407060fa1a50302ffff",  # no peer id
        "36056e6f6e6574",
        "ffffffffffffffffffffff",
        "04" + "00" * 300,
    ],
)
def test_of_a_peer_what_is_none_for_us_is_left_out(written: str) -> None:
    assert read(bytes.fromhex(written)) is None


@given(st.binary(max_size=64))
def test_any_bytes_are_an_address_that_comes_back_or_none(data: bytes) -> None:
    found = multiaddr.read(data)
    assert found is None or read(write(found)) == found
