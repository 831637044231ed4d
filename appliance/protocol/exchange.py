"""The key exchange: X25519 with ML-KEM-1024, or X25519 alone where policy allows it. The only place that makes shared secrets.

Both secrets enter the key schedule side by side (X25519 first), so the result is secret while one of the two holds.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from appliance.errors import LocalFault, PeerFault
from appliance.wire.faults import Fault


class Kex(IntEnum):
    """Key exchanges by wire number."""

    X25519_MLKEM1024 = 1
    X25519 = 2

    @property
    def post_quantum(self) -> bool:
        """Does it hold against a quantum computer?"""
        return self is Kex.X25519_MLKEM1024


class Shares(NamedTuple):
    """What one side sends of its keys."""

    x25519: bytes
    mlkem: bytes
    """An encapsulation key (the initiator's), a ciphertext (the responder's), or empty."""


class KeyPair:
    """The initiator's ephemeral keys of one handshake."""

    def __init__(self, x25519: X25519PrivateKey, mlkem: MLKEM1024PrivateKey | None) -> None:
        self._x25519: X25519PrivateKey | None = x25519
        self._mlkem = mlkem
        self.shares = Shares(
            x25519.public_key().public_bytes_raw(),
            b"" if mlkem is None else mlkem.public_key().public_bytes_raw(),
        )

    def finish(self, kex: Kex, theirs: Shares) -> bytes:
        """The shared secret. Raises PeerFault if the shares give none; the keys stay good."""
        if self._x25519 is None:
            raise LocalFault("the ephemeral keys are gone")
        secret = _x25519(self._x25519, theirs.x25519)
        if kex is Kex.X25519:
            return secret
        if self._mlkem is None:
            raise PeerFault(Fault.DOWNGRADE)
        try:
            return secret + self._mlkem.decapsulate(theirs.mlkem)
        except ValueError:
            raise PeerFault(Fault.BAD_SHARE) from None

    def wipe(self) -> None:
        """Let go of the secret keys; OpenSSL overwrites them."""
        self._x25519 = self._mlkem = None


class KeyAgreement:
    """Makes ephemeral keys with the library's own generator. Tests pass a subclass with fixed keys."""

    def offer(self, pq: bool) -> KeyPair:
        """The initiator's keys, with an ML-KEM key when `pq`."""
        return KeyPair(X25519PrivateKey.generate(), MLKEM1024PrivateKey.generate() if pq else None)

    def answer(self, kex: Kex, theirs: Shares) -> tuple[Shares, bytes]:
        """The responder's shares and the shared secret. Raises PeerFault if the shares give none."""
        mine = X25519PrivateKey.generate()
        secret = _x25519(mine, theirs.x25519)
        public = mine.public_key().public_bytes_raw()
        if kex is Kex.X25519:
            return Shares(public, b""), secret
        try:
            mlkem_secret, ciphertext = MLKEM1024PublicKey.from_public_bytes(theirs.mlkem).encapsulate()
        except ValueError:
            raise PeerFault(Fault.BAD_SHARE) from None
        return Shares(public, ciphertext), secret + mlkem_secret


def _x25519(mine: X25519PrivateKey, theirs: bytes) -> bytes:
    try:
        return mine.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:  # the result is all zeros: a point of low order (RFC 7748, section 6.1)
        raise PeerFault(Fault.BAD_SHARE) from None
