"""The one-way key ratchet of one direction of a session: rotation by bytes needs no message, only a new key phase in the flags.

    chain(0) = from the handshake, 64 bytes
    key(n)       = HKDF-Expand-SHA512(chain(n), "llp1 key", key_bytes)
    chain(n + 1) = HKDF-Expand-SHA512(chain(n), "llp1 ratchet", 64)

Who seals and opens keeps the ciphers made from the keys; the ratchet keeps one chain, and `forget` makes the past unreachable.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from appliance.errors import LocalFault

CHAIN_BYTES = 64
KEY_LABEL = b"llp1 key"
RATCHET_LABEL = b"llp1 ratchet"


class Ratchet:
    """Keys by epoch, from the oldest epoch that was not forgotten."""

    __slots__ = ("_chain", "_first", "_key_bytes")

    def __init__(self, chain: bytes, key_bytes: int) -> None:
        """`chain` is the 64 bytes of epoch 0; `key_bytes` is what the suite's key takes."""
        if len(chain) != CHAIN_BYTES:
            raise LocalFault(f"a chain has {CHAIN_BYTES} bytes, not {len(chain)}")
        self._chain = bytearray(chain)
        self._first = 0
        self._key_bytes = key_bytes

    def key(self, epoch: int) -> bytes:
        """The key of `epoch`. Raises LocalFault for an epoch that was forgotten."""
        if epoch < self._first:
            raise LocalFault(f"the key of epoch {epoch} is gone")
        chain = bytes(self._chain)
        for _ in range(epoch - self._first):
            chain = _expand(chain, RATCHET_LABEL, CHAIN_BYTES)
        return _expand(chain, KEY_LABEL, self._key_bytes)

    def forget(self, before: int) -> None:
        """Make the keys of all epochs before `before` impossible to derive."""
        while self._first < before:
            following = _expand(bytes(self._chain), RATCHET_LABEL, CHAIN_BYTES)
            self._chain[:] = following
            self._first += 1

    def wipe(self) -> None:
        """Overwrite the chain; every later key is lost. (Copies that the interpreter made cannot be reached.)"""
        self._chain[:] = bytes(CHAIN_BYTES)
        self._first = 1 << 62


def _expand(chain: bytes, label: bytes, length: int) -> bytes:
    return HKDFExpand(algorithm=SHA512(), length=length, info=label).derive(chain)
