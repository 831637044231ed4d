"""Writes llp-1.json, the test vectors of LLP version 1: python tests/vectors/generate_llp_1.py

Everything is fixed but the ML-KEM ciphertext and the ML-DSA signatures, which the library draws; test_llp_1.py takes them as
given.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from appliance.protocol.cookies import SECRET_BYTES, Cookies
from appliance.protocol.exchange import Kex, KeyAgreement, KeyPair, Shares
from appliance.protocol.handshake import Initiator, Policy, Pq, Responder
from appliance.protocol.identity import PUBLIC_BYTES, Identity
from appliance.protocol.ratchet import Ratchet
from appliance.protocol.schedule import KeySchedule
from appliance.wire import control, envelope, hello, hello_json
from appliance.wire.control import ControlMessage
from appliance.wire.envelope import FLAG_FRAGMENT, PacketType

FILE = Path(__file__).with_name("llp-1.json")
DATAGRAM_BYTES = 1208
TAG_BYTES = 16


def fixed(name: str, length: int = 32) -> bytes:
    """Bytes that anybody can make again."""
    return sha256(f"LLP1 test vector: {name}".encode()).digest()[:length]


class FixedKeys(KeyAgreement):
    """Ephemeral keys from fixed seeds."""

    def offer(self, pq: bool) -> KeyPair:
        mlkem = MLKEM1024PrivateKey.from_seed_bytes(fixed("ML-KEM d") + fixed("ML-KEM z")) if pq else None
        return KeyPair(X25519PrivateKey.from_private_bytes(fixed("client X25519")), mlkem)

    def answer(self, kex: Kex, theirs: Shares) -> tuple[Shares, bytes]:
        shares, secret = super().answer(kex, theirs)
        mine = X25519PrivateKey.from_private_bytes(fixed("server X25519"))
        shared = mine.exchange(X25519PublicKey.from_public_bytes(theirs.x25519))
        return Shares(mine.public_key().public_bytes_raw(), shares.mlkem), shared + secret[32:]


def identity(name: str) -> Identity:
    """The identity of two fixed seeds."""
    return Identity.from_seeds(fixed(f"{name} Ed25519"), fixed(f"{name} ML-DSA-87"))


def generate() -> dict[str, object]:
    """All vectors."""
    client_id, server_id = identity("client"), identity("server")
    policy = Policy(Pq.REQUIRED, (1, 2))
    calling = Initiator(policy, 0x00A1B2, client_id, server_id.fingerprint, lambda n: fixed("client random", n), FixedKeys())
    called = Responder(policy, 0x0C3D4E, server_id, calling.hello, lambda n: fixed(f"server {n}", n), FixedKeys())
    client_share = X25519PublicKey.from_public_bytes(calling.hello.x25519)
    secret = X25519PrivateKey.from_private_bytes(fixed("server X25519")).exchange(client_share)
    secret += MLKEM1024PrivateKey.from_seed_bytes(fixed("ML-KEM d") + fixed("ML-KEM z")).decapsulate(called.hello.mlkem)
    schedule = KeySchedule(calling.hello, called.hello, secret)
    th1, master = schedule.transcript, bytes(schedule._master)
    server_proof = schedule.open_proof(called.hello.sealed, initiator=False)
    server_proof.verify()
    th2 = schedule.transcript
    sealed, established = calling.finish(called.hello)
    client_proof = schedule.open_proof(sealed, initiator=True)
    client_proof.verify()
    th3 = schedule.transcript
    exporter = schedule.exporter()
    client_chain, server_chain = schedule.chains()
    assert (established.send_chain, established.exporter) == (client_chain, exporter)
    ratchet = Ratchet(client_chain, 32)
    return {
        "identities": {
            name: {
                "ed25519_seed": fixed(f"{name} Ed25519").hex(),
                "mldsa87_seed": fixed(f"{name} ML-DSA-87").hex(),
                "public": who.public.encoded.hex(),
                "fingerprint": who.fingerprint,
            }
            for name, who in (("client", client_id), ("server", server_id))
        },
        "ephemeral": {
            "client_x25519": fixed("client X25519").hex(),
            "server_x25519": fixed("server X25519").hex(),
            "mlkem1024_seed": (fixed("ML-KEM d") + fixed("ML-KEM z")).hex(),
        },
        "client_hello": hello.encode_client_hello(calling.hello).hex(),
        "client_hello_json": hello_json.encode_client_hello(calling.hello).decode(),
        "server_hello": hello.encode_server_hello(called.hello).hex(),
        "server_hello_json": hello_json.encode_server_hello(called.hello).decode(),
        "session_id": str(UUID(bytes=called.hello.session_id)),
        "client_finish": sealed.hex(),
        "schedule": {
            "secret": secret.hex(),
            "th1": th1.hex(),
            "master": master.hex(),
            "server_signature": server_proof._proof[PUBLIC_BYTES:].hex(),
            "th2": th2.hex(),
            "client_signature": client_proof._proof[PUBLIC_BYTES:].hex(),
            "th3": th3.hex(),
            "client_chain": client_chain.hex(),
            "server_chain": server_chain.hex(),
            "exporter": exporter.hex(),
        },
        "ratchet": {"chain": "client_chain", "key_bytes": 32, "keys": [ratchet.key(epoch).hex() for epoch in range(4)]},
        "control": {"messages": [control_message(each) for each in CONTROL], "refused": REFUSED},
        "records": [
            record("aes-256-gcm", ratchet.key(0), 0, bytes(range(100))),
            record("chacha20-poly1305", ratchet.key(1), 1, bytes(range(100))),
            record("aes-256-gcm", ratchet.key(2), 2, bytes(number & 0xFF for number in range(3000)), DATAGRAM_BYTES),
        ],
        "cookie": {
            "secret": fixed("cookie secret").hex(),
            "now": 6000.0,
            "source": ["198.51.100.7", 8443],
            "cookie": Cookies(fixed("cookie secret", SECRET_BYTES)).make(("198.51.100.7", 8443), 6000.0).hex(),
        },
    }


CONTROL = (
    ControlMessage("compression", {"accepts": ["zstd"], "answer": True}),
    ControlMessage("question-and-answer.ask", {"of": "the moon"}, request=control.MAX_NUMBER),
    ControlMessage("question-and-answer.ask", {"is": "voll \u2022 \U0001f315"}, b"\0signed\xff", response=control.MAX_NUMBER),
    ControlMessage("question-and-answer.ask", {}, response=1, refused=True),
    ControlMessage("numbers.of_all_sorts", {"n": [0, -(2**64) + 1, 1.5, None, [], {"a": {}}], "x": "\0"}),
)
REFUSED = {
    "too-long": [(b'{"kind":"x","n":"' + b"a" * 8192 + b'"}').hex(), (b'{"kind":"x"}' + bytes(16384)).hex()],
    "malformed": [
        text.hex()
        for text in (
            b"",
            b'{"n":1,"kind":"x"}',
            b'{"kind":"X"}',
            b'{"kind":"\\u0078"}',
            b'{"kind":"x","kind":"x"}',
            b'{"kind":"x","n":18446744073709551616}',
            b'{"kind":"x","n":1e999}',
            b'{"kind":"x","n":"\\ud800"}',
            b'{"kind":"x","n":' + b"[" * 16 + b"]" * 16 + b"}",
            b'{"kind":"x","request":0}',
            b'{"kind":"x","request":1,"response":1}',
            b'{"kind":"x","refused":true}',
        )
    ],
}


def control_message(message: ControlMessage) -> dict[str, object]:
    """What it says, and its bytes."""
    said = {name: value for name, value in message._asdict().items() if name != "body"}
    return {**said, "body": message.body.hex(), "encoded": control.encode(message).hex()}


def record(suite: str, key: bytes, epoch: int, plain: bytes, datagram_bytes: int = 65535) -> dict[str, object]:
    """One sealed record of the client, in the datagrams it travels in."""
    number, stream, length = 1000 + epoch, 0x0C3D4E << 8, len(plain) + TAG_BYTES
    room = datagram_bytes - envelope.HEADER_BYTES
    cut = FLAG_FRAGMENT if length > room else 0
    first = envelope.pack(PacketType.DATA, epoch & 3 | cut, stream, number << 8, 123456, length)
    cipher = AESGCM(key) if suite == "aes-256-gcm" else ChaCha20Poly1305(key)
    body = cipher.encrypt(envelope.nonce(number << 8), plain, first)
    pieces = [body[at : at + room] for at in range(0, length, room)]
    datagrams = [
        (envelope.fragment_header(first, n, last=n == len(pieces) - 1) if cut else first) + piece
        for n, piece in enumerate(pieces)
    ]
    return {
        "suite": suite,
        "epoch": epoch,
        "key": key.hex(),
        "number": number,
        "plain": plain.hex(),
        "associated_data": first.hex(),
        "datagrams": [datagram.hex() for datagram in datagrams],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(generate(), indent=1) + "\n")
