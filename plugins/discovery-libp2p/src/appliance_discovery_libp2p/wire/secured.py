"""libp2p's use of Noise (specs, noise/README.md): who is at the other end is proved by its peer's key, then records are sealed.

record   length (2 bytes, big endian) ── handshake message, or sealed bytes with their tag
payload  protobuf { 1: PublicKey   2: signature by it of "noise-libp2p-static-key:" and the Noise static key }
"""

from __future__ import annotations

from typing import Final

from appliance_discovery_libp2p.wire import keys, protobuf
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.noise import LONGEST_MESSAGE, TAG_BYTES, Cipher, Handshake

PREFIX: Final = b"noise-libp2p-static-key:"
LENGTH_BYTES: Final = 2
MOST_PLAIN: Final = LONGEST_MESSAGE - TAG_BYTES
LONGEST_HANDSHAKE: Final = 4096
"""Bytes of a message of the handshake: keys, tags, the largest public key with its signature, and room for extensions."""
LONGEST_SIGNATURE: Final = 1024


class Secured:
    """One side of a connection. `receive` takes what came and returns what it says; `out` collects what is to be sent.

    `peer` is the other side, None until the handshake is over. `expects`: nobody else will do. Whoever is at the other end cannot
    learn or change anything before `peer` is known.
    """

    def __init__(self, own: OwnKey, *, initiator: bool, static: bytes, ephemeral: bytes, expects: bytes | None = None) -> None:
        self.peer: bytes | None = None
        self.public = b""
        """The peer's PublicKey."""
        self.out = bytearray()
        self._initiator, self._expects = initiator, expects
        handshake = Handshake(initiator=initiator, static=static, ephemeral=ephemeral)
        self._payload = protobuf.write((1, own.public), (2, own.sign(PREFIX + handshake.own_static)))
        self._handshake: Handshake | None = handshake
        self._sends: Cipher | None = None
        self._receives: Cipher | None = None
        self._in = bytearray()
        if initiator:
            self._put(handshake.write(b""))

    def receive(self, data: bytes) -> bytes:
        """What the peer says in it; b"" during the handshake. Raises Malformed: end the connection."""
        self._in += data
        plain, at = [], 0
        while len(self._in) - at >= LENGTH_BYTES:
            end = at + LENGTH_BYTES + int.from_bytes(self._in[at : at + LENGTH_BYTES], "big")
            if self._handshake is not None and end - at > LONGEST_HANDSHAKE:
                raise Malformed("noise")
            if len(self._in) < end:
                break
            record = bytes(self._in[at + LENGTH_BYTES : end])
            if self._receives is None:
                self._hear(record)
            else:
                plain.append(self._receives.decrypt(b"", record))
            at = end
        del self._in[:at]
        return b"".join(plain)

    def send(self, plain: bytes | bytearray | memoryview) -> None:
        """Seal it into `out`. Only once `peer` is known."""
        assert self._sends is not None, "the handshake is not over"
        for begin in range(0, len(plain), MOST_PLAIN):
            self._put(self._sends.encrypt(b"", bytes(plain[begin : begin + MOST_PLAIN])))

    def _hear(self, record: bytes) -> None:
        handshake = self._handshake
        assert handshake is not None
        payload = handshake.read(record)
        if self._initiator:
            self._judge(handshake, payload)
            self._put(handshake.write(self._payload))
        elif handshake.finished is None:
            if payload:
                raise Malformed("noise")  # nobody could have read it
            self._put(handshake.write(self._payload))
        else:
            self._judge(handshake, payload)
        if handshake.finished is not None:
            self._sends, self._receives = handshake.finished.sends, handshake.finished.receives
            self._handshake = None

    def _judge(self, handshake: Handshake, payload: bytes) -> None:
        fields = protobuf.read(payload)
        public = protobuf.octets(fields, 1, keys.LONGEST_KEY)
        signature = protobuf.octets(fields, 2, LONGEST_SIGNATURE)
        if public is None or signature is None:
            raise Malformed("noise")
        keys.verify(public, signature, PREFIX + handshake.remote_static)
        peer = keys.peer_id(public)
        if self._expects not in {None, peer}:
            raise Malformed("another peer")
        self.peer, self.public = peer, public

    def _put(self, record: bytes) -> None:
        self.out += len(record).to_bytes(LENGTH_BYTES, "big")
        self.out += record
