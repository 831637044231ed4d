"""The published vectors of LLP 1 (llp-1.json): what the code does today is what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from appliance.errors import PeerFault
from appliance.protocol.cookies import Cookies
from appliance.protocol.exchange import Kex, KeyPair, Shares
from appliance.protocol.identity import Identity
from appliance.protocol.ratchet import Ratchet
from appliance.protocol.schedule import KeySchedule
from appliance.wire import control, envelope, hello, hello_json
from appliance.wire.control import ControlMessage
from appliance.wire.envelope import HEADER_BYTES

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("llp-1.json").read_text())
SCHEDULE = {name: bytes.fromhex(value) for name, value in VECTORS["schedule"].items()}
CLIENT, _ = hello.decode_client_hello(bytes.fromhex(VECTORS["client_hello"]))
SERVER = hello.decode_server_hello(bytes.fromhex(VECTORS["server_hello"]))


@pytest.mark.parametrize("name", ["client", "server"])
def test_identities(name: str) -> None:
    vector = VECTORS["identities"][name]
    identity = Identity.from_seeds(bytes.fromhex(vector["ed25519_seed"]), bytes.fromhex(vector["mldsa87_seed"]))
    assert identity.public.encoded.hex() == vector["public"]
    assert identity.fingerprint == vector["fingerprint"]


def test_hellos_in_both_encodings() -> None:
    assert hello_json.decode_client_hello(VECTORS["client_hello_json"].encode()) == CLIENT
    assert hello_json.decode_server_hello(VECTORS["server_hello_json"].encode()) == SERVER
    assert json.loads(VECTORS["server_hello_json"])["session_id"] == VECTORS["session_id"]
    assert hello.encode_client_hello(CLIENT).hex() == VECTORS["client_hello"]
    assert hello.encode_server_hello(SERVER).hex() == VECTORS["server_hello"]


def test_the_shared_secret() -> None:
    x25519, mlkem = (bytes.fromhex(VECTORS["ephemeral"][name]) for name in ("client_x25519", "mlkem1024_seed"))
    keys = KeyPair(X25519PrivateKey.from_private_bytes(x25519), MLKEM1024PrivateKey.from_seed_bytes(mlkem))
    assert keys.shares == Shares(CLIENT.x25519, CLIENT.mlkem)
    assert keys.finish(Kex(SERVER.kex), Shares(SERVER.x25519, SERVER.mlkem)) == SCHEDULE["secret"]


def test_the_key_schedule() -> None:
    schedule = KeySchedule(CLIENT, SERVER, SCHEDULE["secret"])
    assert (schedule.transcript, bytes(schedule._master)) == (SCHEDULE["th1"], SCHEDULE["master"])
    proof = schedule.open_proof(SERVER.sealed, initiator=False)
    proof.verify()
    proof.identity.verify(SCHEDULE["server_signature"], b"LLP1 server signature" + SCHEDULE["th1"] + proof.identity.digest)
    assert schedule.transcript == SCHEDULE["th2"]
    proof = schedule.open_proof(bytes.fromhex(VECTORS["client_finish"]), initiator=True)
    proof.verify()
    proof.identity.verify(SCHEDULE["client_signature"], b"LLP1 client signature" + SCHEDULE["th2"] + proof.identity.digest)
    assert schedule.transcript == SCHEDULE["th3"]
    assert schedule.exporter() == SCHEDULE["exporter"]
    assert schedule.chains() == (SCHEDULE["client_chain"], SCHEDULE["server_chain"])


def test_the_ratchet() -> None:
    ratchet = Ratchet(SCHEDULE["client_chain"], VECTORS["ratchet"]["key_bytes"])
    assert [ratchet.key(epoch).hex() for epoch in range(4)] == VECTORS["ratchet"]["keys"]


@pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda vector: f"{vector['suite']}-{len(vector['datagrams'])}")
def test_records(vector: dict[str, Any]) -> None:
    datagrams = [bytes.fromhex(datagram) for datagram in vector["datagrams"]]
    body = b"".join(datagram[HEADER_BYTES:] for datagram in datagrams)
    for datagram in datagrams:
        assert envelope.unpack(datagram) is not None
        aad = envelope.first_header(datagram[:HEADER_BYTES]) if len(datagrams) > 1 else datagram[:HEADER_BYTES]
        assert aad.hex() == vector["associated_data"]
    cipher = {"aes-256-gcm": AESGCM, "chacha20-poly1305": ChaCha20Poly1305}[vector["suite"]](bytes.fromhex(vector["key"]))
    sequence = vector["number"] << 8
    assert cipher.decrypt(envelope.nonce(sequence), body, bytes.fromhex(vector["associated_data"])).hex() == vector["plain"]


@pytest.mark.parametrize("vector", VECTORS["control"]["messages"], ids=lambda vector: vector["kind"])
def test_control_messages(vector: dict[str, Any]) -> None:
    message = ControlMessage(**{name: value for name, value in vector.items() if name not in ("body", "encoded")})
    message = message._replace(body=bytes.fromhex(vector["body"]))
    assert control.decode(bytes.fromhex(vector["encoded"])) == message
    assert control.encode(message).hex() == vector["encoded"]


@pytest.mark.parametrize("reason", VECTORS["control"]["refused"])
def test_what_is_no_control_message(reason: str) -> None:
    for encoded in VECTORS["control"]["refused"][reason]:
        with pytest.raises(PeerFault, match=reason):
            control.decode(bytes.fromhex(encoded))


def test_the_cookie() -> None:
    vector = VECTORS["cookie"]
    cookies = Cookies(bytes.fromhex(vector["secret"]))
    assert cookies.make(tuple(vector["source"]), vector["now"]).hex() == vector["cookie"]


def test_the_generator_makes_the_same_vectors() -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("generate_llp_1", Path(__file__).with_name("generate_llp_1.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.generate()
    for name in ("identities", "ephemeral", "client_hello", "session_id", "control", "cookie"):
        assert made[name] == VECTORS[name]
