"""Tries a node from outside: connects by TCP, makes a handshake with JSON hellos, has keepalives acknowledged, says goodbye.

    python examples/test_client.py --host 198.51.100.7 --port 8443 --keepalive 5 --identity ./client.pem --peer llp1:…

The node must know the client's identity (`appliance keys new client.pem`, `appliance keys show client.pem`); without --identity
a new one is made and shown. Without --peer whoever answers is accepted and shown. Ends with 0 when everything worked, else 1.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from appliance.errors import ApplianceError, PeerFault
from appliance.protocol.exchange import KeyAgreement
from appliance.protocol.handshake import Established, Initiator, Policy, Pq
from appliance.protocol.identity import Identity
from appliance.protocol.ratchet import Ratchet
from appliance.protocol.replay import ReplayWindow
from appliance.wire import hello_json, liveness
from appliance.wire.envelope import FLAG_JSON, FLAG_PHASE, HEADER_BYTES, PacketType, nonce, pack, unpack

Cipher = type[AESGCM] | type[ChaCha20Poly1305]
SUITES: dict[int, tuple[str, Cipher]] = {1: ("aes-256-gcm", AESGCM), 2: ("chacha20-poly1305", ChaCha20Poly1305)}
KEY_BYTES, TAG_BYTES = 32, 16
TIMEOUT = 5.0
Packet = tuple[int, int, int, int, bytes, bytes]
"""Type, flags, stream, sequence, header and body."""


def main() -> int:
    """Run the test; the exit code."""
    arguments = parse()
    try:
        run(arguments)
    except (OSError, EOFError, ApplianceError, InvalidTag) as error:
        print(f"Failed: {describe(error)}", file=sys.stderr)
        return 1
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Connect, make a handshake, keep alive, disconnect."""
    identity = Identity.from_pem(arguments.identity.read_bytes()) if arguments.identity else Identity.generate()
    print(f"Client identity: {identity.fingerprint}")
    with socket.create_connection((arguments.host, arguments.port), TIMEOUT) as stream:
        stream.settimeout(TIMEOUT)
        print(f"Connected to {arguments.host}:{arguments.port}")
        session = handshake(stream, identity, arguments.peer)
        for number in range(1, arguments.keepalive + 1):
            took = session.keep_alive(number)
            print(f"Keepalive {number}/{arguments.keepalive} acknowledged in {1000 * took:.1f} ms")
        session.send(PacketType.DISCONNECT, b"")
    print("Disconnected")
    print("Test completed")


def handshake(stream: socket.socket, identity: Identity, peer: str | None) -> Session:
    """The three messages and the node's first record."""
    print("Starting handshake")
    policy = Policy(Pq.REQUIRED, tuple(SUITES))
    index = int.from_bytes(os.urandom(3), "big") or 1
    initiator = Initiator(policy, index, identity, peer, os.urandom, KeyAgreement())
    body = hello_json.encode_client_hello(initiator.hello)
    stream.sendall(pack(PacketType.HANDSHAKE_INIT, FLAG_JSON, 0, 0, now_ms(), len(body)) + body)
    print(f"ClientHello sent: {len(body)} bytes")
    kind, _, _, _, _, answer = read_packet(stream)
    if kind != PacketType.HANDSHAKE_RESPONSE:
        raise PeerFault(f"expected a ServerHello, got packet type {kind}")
    sealed, established = initiator.finish(hello_json.decode_server_hello(answer))
    print(f"ServerHello received: {len(answer)} bytes")
    print(f"Server identity: {established.peer}")
    body = hello_json.encode_client_finish(sealed)
    stream.sendall(pack(PacketType.HANDSHAKE_INIT, FLAG_JSON, established.remote_index << 8, 1, now_ms(), len(body)) + body)
    session = Session(stream, established)
    session.receive(PacketType.KEEP_ALIVE)
    print(f"Session ID: {established.session_id}")
    print(f"Suite: {SUITES[established.suite][0]}, post-quantum: {'yes' if established.pq else 'no'}")
    return session


class Session:
    """The record layer of one session, at its simplest: few records, so the sender stays in epoch 0."""

    def __init__(self, stream: socket.socket, established: Established) -> None:
        _, self._cipher = SUITES[established.suite]
        self._stream = stream
        self._to = established.remote_index << 8
        self._seal = self._cipher(Ratchet(established.send_chain, KEY_BYTES).key(0))
        self._receiving = Ratchet(established.receive_chain, KEY_BYTES)
        self._window = ReplayWindow()
        self._sent = 0

    def send(self, kind: PacketType, body: bytes) -> None:
        """Seal and send one record."""
        sequence = self._sent << 8
        self._sent += 1
        header = pack(kind, 0, self._to, sequence, now_ms(), len(body) + TAG_BYTES)
        self._stream.sendall(header + self._seal.encrypt(nonce(sequence), body, header))

    def receive(self, wanted: PacketType) -> bytes:
        """The body of the next record of the type `wanted`; others are opened and left."""
        while True:
            kind, flags, _, sequence, header, sealed = read_packet(self._stream)
            if not self._window.check(sequence >> 8):
                raise PeerFault("the node repeated a record")
            key = self._receiving.key(flags & FLAG_PHASE)
            body = self._cipher(key).decrypt(nonce(sequence), sealed, header)
            self._window.mark(sequence >> 8)
            if kind == wanted:
                return body

    def keep_alive(self, token: int) -> float:
        """Have one KeepAlive acknowledged; the seconds that took."""
        began = time.monotonic()
        self.send(PacketType.KEEP_ALIVE, liveness.encode_keep_alive(token))
        while liveness.decode_ack(self.receive(PacketType.ACK)).token != token:
            pass
        return time.monotonic() - began


def read_packet(stream: socket.socket) -> Packet:
    """The next packet of the stream."""
    header = read_exactly(stream, HEADER_BYTES)
    fields = unpack(header)
    if fields is None:
        raise PeerFault("what answers does not speak LLP 1")
    _, kind, flags, to, sequence, _, length, _ = fields
    return kind, flags, to, sequence, header, read_exactly(stream, length)


def read_exactly(stream: socket.socket, length: int) -> bytes:
    """`length` bytes, or EOFError."""
    data = bytearray()
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def now_ms() -> int:
    """This clock's milliseconds, for the headers."""
    return int(time.monotonic() * 1000)


def describe(error: Exception) -> str:
    """A sentence for the one who runs the test."""
    if isinstance(error, TimeoutError):
        return "no answer; does the node know the client's identity?"
    if isinstance(error, EOFError):
        return "the node closed the connection"
    if isinstance(error, InvalidTag):
        return "a record was not authentic"
    return str(error)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Try a node: handshake, keepalives, disconnect.")
    parser.add_argument("--host", required=True, help="address or name of the node")
    parser.add_argument("--port", type=int, default=8443, help="its TCP port (default: 8443)")
    parser.add_argument("--keepalive", type=int, default=5, metavar="N", help="how many keepalives to send (default: 5)")
    parser.add_argument("--identity", type=Path, metavar="PATH", help="the client's identity file (default: a new identity)")
    parser.add_argument("--peer", metavar="llp1:…", help="the identity that must answer (default: any)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
