"""Messages of Kademlia, honest and not."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance_discovery_libp2p.kad.messages import MOST_ADDRESSES, MOST_PEERS, Message, Peer, Record, Type, read, write
from appliance_discovery_libp2p.wire import protobuf
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

PEER = OwnKey(bytes(32)).peer
HERE = Multiaddr("198.51.100.7", 4001)


@pytest.mark.parametrize("kind", list(Type))
def test_a_message_comes_back(kind: Type) -> None:
    said = Message(kind, b"key", Record(b"key", b"value"), (Peer(PEER, (HERE,)),), (Peer(PEER),))
    assert read(write(said)) == said


def test_no_more_peers_and_addresses_are_looked_at_than_an_honest_answer_has() -> None:
    places = [Multiaddr("198.51.100.7", port) for port in range(1, 100)]
    peer = protobuf.write((1, PEER), *((2, write_address(place)) for place in places))
    heard = read(protobuf.write((1, 4), *[(8, peer)] * 100))
    assert len(heard.closer) == MOST_PEERS
    assert {len(peer.addresses) for peer in heard.closer} == {MOST_ADDRESSES}


def write_address(place: Multiaddr) -> bytes:
    from appliance_discovery_libp2p.wire import multiaddr

    return multiaddr.write(place)


def test_an_address_that_names_somebody_else_is_left_out() -> None:
    other = HERE._replace(peer=OwnKey(bytes([1]) * 32).peer)
    written = protobuf.write((1, PEER), (2, write_address(other)), (2, write_address(HERE)))
    assert read(protobuf.write((1, 4), (8, written))).closer == (Peer(PEER, (HERE,)),)


@pytest.mark.parametrize(
    "said",
    [
        protobuf.write((1, 6)),
        protobuf.write((1, 4), (2, bytes(300))),
        protobuf.write((1, 0), (3, protobuf.write((1, b"key")))),
        protobuf.write((1, 0), (3, protobuf.write((1, b"key"), (2, bytes(10_000))))),
        protobuf.write((1, 4), (8, protobuf.write((1, b"nobody")))),
        b"\xff",
    ],
    ids=["type", "long key", "no value", "long value", "no peer", "no protobuf"],
)
def test_what_is_none_is_refused(said: bytes) -> None:
    with pytest.raises(Malformed):
        read(said)


@given(st.binary(max_size=200))
def test_nothing_else_comes_of_any_bytes(data: bytes) -> None:
    with suppress(Malformed):
        read(data)
