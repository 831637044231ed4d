"""The record layer of one session: keys of both directions, packet numbers, replay window, rotation.

Pure and hot. A session is made by a finished handshake and lives in the worker; nothing here knows sockets or time. Rotation by
bytes is a one-way ratchet: the sender moves to the next epoch after `rotate_bytes`, the two low bits of the epoch travel in the
flags, and the receiver keeps the previous, the current and the next key, so no packet is lost across a rotation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from appliance.protocol.ratchet import Ratchet
from appliance.protocol.replay import ReplayWindow

if TYPE_CHECKING:
    from appliance.api.crypto import Aead

Seal = Callable[..., Any]
AeadFactory = Callable[[bytes], "Aead"]

PHASE_MASK = 0x03
MAX_NUMBER = (1 << 56) - 1


class Sender:
    """The sending direction. `number` is the last record number used, `left` the bytes until the key rotates, `last_number` where
    the key must not go on."""

    __slots__ = ("_aead", "_max_records", "_ratchet", "_rotate_bytes", "epoch", "last_number", "left", "number", "phase", "seal")

    def __init__(self, chain: bytes, key_bytes: int, aead: AeadFactory, rotate_bytes: int, max_records: int) -> None:
        self._ratchet = Ratchet(chain, key_bytes)
        self._aead = aead
        self._rotate_bytes = rotate_bytes
        self._max_records = max_records
        self.last_number = max_records
        self.number = 0
        self.epoch = 0
        self.phase = 0
        self.left = rotate_bytes
        self.seal: Seal = aead(self._ratchet.key(0)).encrypt_into

    def rotate(self) -> None:
        """Move to the next epoch; the old key cannot be had again."""
        self.epoch += 1
        self.phase = self.epoch & PHASE_MASK
        self.left = self._rotate_bytes
        self.last_number = min(self.number + self._max_records, MAX_NUMBER)
        self._ratchet.forget(self.epoch)
        self.seal = self._aead(self._ratchet.key(self.epoch)).encrypt_into

    def wipe(self) -> None:
        """The session is over: no later key can be derived."""
        self._ratchet.wipe()


class Receiver:
    """The receiving direction: keys by phase, and the window of packet numbers seen."""

    __slots__ = ("_aead", "_ratchet", "epoch", "opens", "phase", "window")

    def __init__(self, chain: bytes, key_bytes: int, aead: AeadFactory) -> None:
        self._ratchet = Ratchet(chain, key_bytes)
        self._aead = aead
        self.window = ReplayWindow()
        self.epoch = 0
        self.phase = 0
        self.opens: list[Seal | None] = [self._open(0), self._open(1), None, None]

    def _open(self, epoch: int) -> Seal:
        return self._aead(self._ratchet.key(epoch)).decrypt_into

    def opened(self, phase: int) -> None:
        """A record with this phase was authentic. When it was the next epoch's, move on: keep previous, current and next."""
        if phase != (self.epoch + 1) & PHASE_MASK:
            return
        self.epoch += 1
        self.phase = phase
        self._ratchet.forget(self.epoch + 1)
        self.opens[(self.epoch + 1) & PHASE_MASK] = self._open(self.epoch + 1)
        self.opens[(self.epoch + 2) & PHASE_MASK] = None

    def wipe(self) -> None:
        """The session is over: no later key can be derived."""
        self._ratchet.wipe()
