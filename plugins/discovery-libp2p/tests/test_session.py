"""Two sides of a connection, without a socket; and a side that meets garbage."""

from __future__ import annotations

import pytest

from appliance_discovery_libp2p.wire import protobuf, varint
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.secured import LONGEST_HANDSHAKE, Secured
from appliance_discovery_libp2p.wire.session import Entropy, Event, Ready, Session
from appliance_discovery_libp2p.wire.yamux import Data, Opened

CALLER, CALLED, OTHER = (OwnKey(bytes([number]) * 32) for number in (1, 2, 3))


def session(own: OwnKey, *, initiator: bool, expects: bytes | None = None) -> Session:
    return Session(own, lambda: Entropy(own.sign(b"s")[:32], own.sign(b"e")[:32]), initiator=initiator, expects=expects)


def talk(caller: Session, called: Session, piece: int = 2**20) -> tuple[list[Event], list[Event]]:
    """Until both are silent; `piece`: bytes that arrive at a time."""
    events: tuple[list[Event], list[Event]] = ([], [])
    while True:
        said = caller.take_out(), called.take_out()
        if not any(said):
            return events
        for words, listener, heard in ((said[0], called, events[1]), (said[1], caller, events[0])):
            for begin in range(0, len(words), piece):
                heard.extend(listener.receive(words[begin : begin + piece]))


@pytest.mark.parametrize("piece", [1, 7, 2**20])
def test_both_know_who_is_there_and_streams_go_both_ways(piece: int) -> None:
    caller, called = session(CALLER, initiator=True, expects=CALLED.peer), session(CALLED, initiator=False)
    assert talk(caller, called, piece) == ([Ready(CALLED.peer)], [Ready(CALLER.peer)])
    stream = caller.mux.open()
    caller.mux.send(stream, b"hello")
    heard = talk(caller, called, piece)[1]
    assert heard == [Opened(stream), Data(stream, b"hello")]
    called.mux.send(stream, b"welcome")
    assert talk(caller, called, piece)[0][-1] == Data(stream, b"welcome")


def test_somebody_else_at_the_address_is_refused() -> None:
    caller, called = session(CALLER, initiator=True, expects=OTHER.peer), session(CALLED, initiator=False)
    with pytest.raises(Malformed, match="another peer"):
        talk(caller, called)
    assert not caller.ready
    assert not called.ready


def test_a_noise_key_that_the_peers_key_did_not_sign_is_refused() -> None:
    with pytest.raises(Malformed, match="signature"):
        talk(session(CALLER, initiator=True), _liar())


def _liar() -> Session:
    """Signs something else with its key than its Noise key."""
    liar = session(CALLED, initiator=False)

    class Lies(OwnKey):
        def sign(self, data: bytes) -> bytes:
            return super().sign(data + b"!")

    liar._own = Lies(bytes([2]) * 32)
    return liar


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: node.example\r\nUser-Agent: somebody who is lost\r\nAccept: */*\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(100),
        varint.framed(b"/multistream/0.0.1\n"),
        varint.framed(b"/multistream/1.0.0\n") + varint.framed(b"/tls/1.0.0\n") * 40,
        varint.framed(b"/multistream/1.0.0\n") + varint.framed(b"/noise\n") + b"\x00\x10" + bytes(16),
        varint.framed(b"/multistream/1.0.0\n") + varint.framed(b"/noise\n") + b"\xff\xff",
        varint.framed(b"/multistream/1.0.0\n") + varint.framed(b"/noise\n") + b"\x00\x20" + bytes(32),
        varint.framed(b"/multistream/1.0.0\n") + varint.framed(b"\xff\n"),
        b"\x80" * 9,
    ],
    ids=["http", "ssh", "version", "proposals", "short noise", "long noise", "small order", "no text", "varint"],
)
def test_garbage_is_refused_and_nothing_is_kept_of_it(said: bytes) -> None:
    with pytest.raises(Malformed):
        session(CALLED, initiator=False).receive(said)


def test_a_payload_before_anybody_could_be_sure_who_reads_it_is_refused() -> None:
    called = Secured(CALLED, initiator=False, static=bytes(range(32)), ephemeral=bytes(range(1, 33)))
    with pytest.raises(Malformed):
        called.receive(b"\x00\x21" + b"\x09" + bytes(31) + b"!")


def test_an_oversized_handshake_is_refused_before_it_is_there() -> None:
    called = Secured(CALLED, initiator=False, static=bytes(range(32)), ephemeral=bytes(range(1, 33)))
    with pytest.raises(Malformed):
        called.receive((LONGEST_HANDSHAKE + 1).to_bytes(2, "big"))


def test_the_handshakes_payload_holds_a_key_and_a_signature() -> None:
    caller = Secured(CALLER, initiator=True, static=bytes(range(32)), ephemeral=bytes(range(1, 33)))
    fields = protobuf.read(caller._payload)
    assert protobuf.octets(fields, 1, 64) == CALLER.public
    assert caller.peer is None
