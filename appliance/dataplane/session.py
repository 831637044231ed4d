"""The record layer of one session: keys of both directions, packet numbers, replay window, rotation.

Pure and hot. A finished handshake makes a session, which lives in the worker; nothing here knows sockets or time. Keys change by
a one-way ratchet: after `rotate_bytes` the sender goes to the next epoch, whose two low bits are in the flags of each record. The
receiver keeps the previous, the current and the next key, so no packet is lost when they change.
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
    """The sending direction."""

    __slots__ = ("_aead", "_max_records", "_ratchet", "_rotate_bytes", "epoch", "last_number", "left", "number", "phase", "seal")

    def __init__(self, chain: bytes, key_bytes: int, aead: AeadFactory, rotate_bytes: int, max_records: int) -> None:
        self._ratchet = Ratchet(chain, key_bytes)
        self._aead = aead
        self._rotate_bytes = rotate_bytes
        self._max_records = max_records
        self.last_number = max_records
        """The last record number that the key may seal."""
        self.number = 0
        """The record number that was used last."""
        self.epoch = 0
        self.phase = 0
        """The two low bits of the epoch."""
        self.left = rotate_bytes
        """Bytes until the key is changed."""
        self.seal: Seal = aead(self._ratchet.key(0)).encrypt_into

    def rotate(self) -> None:
        """Go to the next epoch. The old key cannot be derived again."""
        self.epoch += 1
        self.phase = self.epoch & PHASE_MASK
        self.left = self._rotate_bytes
        self.last_number = min(self.number + self._max_records, MAX_NUMBER)
        self._ratchet.forget(self.epoch)
        self.seal = self._aead(self._ratchet.key(self.epoch)).encrypt_into

    def wipe(self) -> None:
        """The session is over: make the later keys impossible to derive."""
        self._ratchet.wipe()


class Receiver:
    """The receiving direction."""

    __slots__ = ("_aead", "_ratchet", "epoch", "opens", "phase", "window")

    def __init__(self, chain: bytes, key_bytes: int, aead: AeadFactory) -> None:
        self._ratchet = Ratchet(chain, key_bytes)
        self._aead = aead
        self.window = ReplayWindow()
        """Record numbers that were seen."""
        self.epoch = 0
        self.phase = 0
        self.opens: list[Seal | None] = [self._open(0), self._open(1), None, None]
        """What opens records, by phase; None where that key is not there."""

    def _open(self, epoch: int) -> Seal:
        return self._aead(self._ratchet.key(epoch)).decrypt_into

    def opened(self, phase: int) -> None:
        """A record with this phase was authentic. If it was of the next epoch, go there: keep the previous, the current and the
        next key."""
        if phase != (self.epoch + 1) & PHASE_MASK:
            return
        self.epoch += 1
        self.phase = phase
        self._ratchet.forget(self.epoch + 1)
        self.opens[(self.epoch + 1) & PHASE_MASK] = self._open(self.epoch + 1)
        self.opens[(self.epoch + 2) & PHASE_MASK] = None

    def wipe(self) -> None:
        """The session is over: make the later keys impossible to derive."""
        self._ratchet.wipe()
