"""Noise XX against public vectors, and against whoever changes a byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.noise import NAME, Handshake

VECTORS = json.loads((Path(__file__).parent / "noise-xx.json").read_text())["vectors"]


def sides(vector: dict[str, Any]) -> tuple[Handshake, Handshake]:
    made = [
        Handshake(
            initiator=side == "init",
            static=bytes.fromhex(vector[f"{side}_static"]),
            ephemeral=bytes.fromhex(vector[f"{side}_ephemeral"]),
            prologue=bytes.fromhex(vector[f"{side}_prologue"]),
        )
        for side in ("init", "resp")
    ]
    return made[0], made[1]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["file"])
def test_every_byte_is_as_in_the_public_vectors(vector: dict[str, Any]) -> None:
    assert vector["protocol_name"].encode() == NAME
    caller, called = sides(vector)
    for index, message in enumerate(vector["messages"]):
        payload, wire = bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"])
        writer, reader = (caller, called) if index % 2 == 0 else (called, caller)
        if index < 3:
            assert writer.write(payload) == wire
            assert reader.read(wire) == payload
        else:
            assert writer.finished is not None
            assert reader.finished is not None
            assert writer.finished.sends.encrypt(b"", payload) == wire
            assert reader.finished.receives.decrypt(b"", wire) == payload
    assert caller.finished is not None
    assert vector.get("handshake_hash", caller.finished.transcript.hex()) == caller.finished.transcript.hex()


@pytest.mark.parametrize("changed", [1, 2])
def test_a_message_with_one_changed_bit_is_refused(changed: int) -> None:
    caller, called = sides(VECTORS[0])
    turns = [(caller, called), (called, caller), (caller, called)]
    for number, (writer, reader) in enumerate(turns):
        message = bytearray(writer.write(b"hello"))
        if number == changed:
            message[40] ^= 1
            with pytest.raises(Malformed):
                reader.read(bytes(message))
            return
        reader.read(bytes(message))


def test_short_messages_and_points_of_small_order_are_refused() -> None:
    for message in (b"", bytes(31)):
        with pytest.raises(Malformed):
            sides(VECTORS[0])[1].read(message)
    called = sides(VECTORS[0])[1]
    called.read(bytes(32))  # taken; the exchange with it is not
    with pytest.raises(Malformed):
        called.write(b"")
