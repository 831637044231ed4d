"""The key schedule against the formulas of docs/protocol.md, written here with nothing but hashlib and hmac."""

from __future__ import annotations

import hmac
from hashlib import sha512

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.errors import PeerFault
from appliance.protocol.schedule import KeySchedule
from appliance.testing.pair import identity_of
from appliance.wire.hello import ClientHello, ServerHello

CLIENT = ClientHello(4711, b"r" * 32, b"x" * 32, b"m" * 1568, (1,), (1, 2))
SERVER = ServerHello(815, b"0123456789abcdef", b"R" * 32, b"X" * 32, 1, 2, b"c" * 1568, b"")
SECRET = bytes(range(64))
A, B = identity_of("a"), identity_of("b")


def expand(key: bytes, label: bytes, length: int) -> bytes:
    return hmac.digest(key, label + b"\x01", "sha512")[:length]


def counted(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def test_every_value_is_as_written() -> None:
    th1 = sha512(b"LLP1 transcript" + counted(CLIENT.core()) + counted(SERVER.core())).digest()
    master = hmac.digest(th1, SECRET, "sha512")
    schedule = KeySchedule(CLIENT, SERVER, SECRET)
    sealed = schedule.seal_proof(B, initiator=False)
    server = AESGCM(expand(master, b"llp1 server handshake", 32)).decrypt(bytes(12), sealed, th1)
    assert server[:2624] == B.public.encoded
    B.public.verify(server[2624:], b"LLP1 server signature" + th1 + B.public.digest)
    th2 = sha512(th1 + server).digest()
    sealed = schedule.seal_proof(A, initiator=True)
    client = AESGCM(expand(master, b"llp1 client handshake", 32)).decrypt(bytes(12), sealed, th2)
    A.public.verify(client[2624:], b"LLP1 client signature" + th2 + A.public.digest)
    th3 = sha512(th2 + client).digest()
    assert schedule.exporter() == expand(master, b"llp1 exporter" + th3, 32)
    assert schedule.chains() == tuple(
        expand(master, label + th3, 64) for label in (b"llp1 client traffic", b"llp1 server traffic")
    )
    assert schedule._master == bytes(64)


def test_a_proof_holds_for_one_transcript_only() -> None:
    sealed = KeySchedule(CLIENT, SERVER, SECRET).seal_proof(B, initiator=False)
    for client, server, secret in (
        (CLIENT._replace(suites=(2, 1)), SERVER, SECRET),
        (CLIENT, SERVER._replace(suite=1), SECRET),
        (CLIENT, SERVER, bytes(64)),
    ):
        with pytest.raises(PeerFault, match="not-authentic"):
            KeySchedule(client, server, secret).open_proof(sealed, initiator=False)


def test_a_proof_that_fails_changes_nothing() -> None:
    schedule = KeySchedule(CLIENT, SERVER, SECRET)
    sealed = KeySchedule(CLIENT, SERVER, SECRET).seal_proof(B, initiator=False)
    before = schedule.transcript
    with pytest.raises(PeerFault):
        schedule.open_proof(sealed, initiator=True)
    proof = schedule.open_proof(sealed, initiator=False)
    assert schedule.transcript == before
    proof.verify()
    assert schedule.transcript != before
