"""Hostile bytes against every parser of the wire and against a whole node in every stage: nothing raises, nothing grows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.values import Endpoint
from appliance.errors import PeerFault
from appliance.protocol.answering import MAX_ANSWERS
from appliance.protocol.events import Dial
from appliance.protocol.node import Node
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.pair import identity_of
from appliance.testing.simulated_host import SUITES
from appliance.wire import control, envelope, hello, hello_json, liveness
from appliance.wire.envelope import HEADER_BYTES, PacketType

SOURCE = ("198.51.100.1", 40_000)
HERE, THERE = Endpoint("udp", "203.0.113.2", 8443), Endpoint("udp", *SOURCE)
SHARED, DIALED, STREAM = 1, 2, 3
LINKS = {SHARED: SOURCE, DIALED: None, STREAM: None}

PARSERS: list[Callable[[bytes], object]] = [
    hello.decode_client_hello,
    hello.decode_server_hello,
    hello.peek_client_hello,
    lambda body: hello.decode_cookie_reply(body, bytes(32)),
    hello_json.decode_client_hello,
    hello_json.decode_server_hello,
    hello_json.decode_client_finish,
    control.decode,
    liveness.decode_keep_alive,
    liveness.decode_ack,
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "kind", "index", "kex", "x"]), inner),
    max_leaves=20,
).map(lambda value: json.dumps(value).encode())
BYTES = st.binary(max_size=3000) | JSON


@given(body=BYTES)
@pytest.mark.parametrize("parse", PARSERS)
def test_a_parser_raises_peer_faults_only(parse: Callable[[bytes], object], body: bytes) -> None:
    with contextlib.suppress(PeerFault):
        parse(body)


@given(packet=st.binary(max_size=60))
def test_a_header_is_there_or_not(packet: bytes) -> None:
    envelope.unpack(packet)


def joined() -> tuple[Node, Node, list[bytes]]:
    """Two nodes with a session, and the packets of their handshake."""
    a, b = calling_node(), called_node()
    packets = []
    for _ in range(3):
        for sender, receiver, link in ((a, b, SHARED), (b, a, DIALED)):
            while (transmit := sender.poll_transmit()) is not None:
                packets.append(transmit.packet)
                receiver.handle_packet(link, LINKS[link], transmit.packet, 0.0)
    assert b.counters["completed"] == 1
    return a, b, packets


def calling_node() -> Node:
    peers = (PeerSettings("b", identity_of("b").fingerprint, (HERE,)),)
    node = Node(NodeSettings(), identity_of("a"), SUITES, now=0.0, entropy=Random(1).randbytes, peers=peers)
    assert node.poll_event() == Dial("b", HERE)
    node.handle_link(DIALED, "b", THERE, HERE, datagram=True, now=0.0)
    return node


def called_node() -> Node:
    peers = (PeerSettings("a", identity_of("a").fingerprint),)
    node = Node(NodeSettings(), identity_of("b"), SUITES, now=0.0, entropy=Random(2).randbytes, peers=peers)
    node.handle_link(SHARED, None, HERE, None, datagram=True, now=0.0, listener=True)
    node.handle_link(STREAM, None, HERE._replace(scheme="tcp"), THERE._replace(scheme="tcp"), datagram=False, now=0.0)
    return node


*_, GOOD = joined()


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """A recorded packet, changed, with a checksum that fits so that it gets past the door; or bytes with a good header."""
    if draw(st.booleans()):
        packet = bytearray(draw(st.sampled_from(GOOD)))
        for _ in range(draw(st.integers(0, 4))):
            packet[draw(st.integers(0, len(packet) - 1))] = draw(st.integers(0, 255))
        packet = packet[: draw(st.integers(HEADER_BYTES, len(packet)))]
    else:
        body = draw(BYTES)
        kind, flags = draw(st.sampled_from([*PacketType, 0, 7])), draw(st.integers(0, 255))
        stream, sequence = draw(st.integers(0, 2**32 - 1) | st.just(0)), draw(st.integers(0, 2**64 - 1))
        length = draw(st.just(len(body)) | st.integers(0, 65535))
        packet = bytearray(envelope.pack(kind, flags, stream, sequence, 0, length) + body)
    fields = bytes(packet[: envelope.CRC_AT])
    packet[envelope.CRC_AT : HEADER_BYTES] = envelope.CRC.pack(envelope.crc_hqx(fields, envelope.CRC_START))
    return bytes(packet)


@given(packets=st.lists(st.tuples(st.sampled_from([SHARED, STREAM, DIALED]), hostile()), max_size=30))
def test_nothing_a_stranger_sends_raises_or_stays(packets: list[tuple[int, bytes]]) -> None:
    for node in (called_node(), calling_node()):
        for number, (link, packet) in enumerate(packets):
            node.handle_packet(link, LINKS[link], packet, number * 0.01)
            assert node._reassembly.held_bytes <= NodeSettings().reassembly_bytes
            assert len(node._answering) <= MAX_ANSWERS
        node.handle_timeout(100.0)
        assert node._reassembly.held_bytes == 0
        assert len(node._answering) == 0


@given(
    messages=st.lists(
        st.tuples(st.sampled_from([*PacketType, 0, 9]), st.integers(0, 255), st.binary(max_size=40) | JSON), max_size=20
    )
)
def test_nothing_a_peer_sends_in_its_session_raises(messages: list[tuple[int, int, bytes]]) -> None:
    a, b, _ = joined()
    for node in (a, b):
        (session,) = node.sessions
        for kind, channel, body in messages:
            node.handle_message(session, kind, channel, body, 1.0)
        assert len(node.sessions) <= 1
