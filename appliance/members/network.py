"""A network is its owner's key pair. What everybody has is the public half, and the fingerprints of keys in both spellings."""

from __future__ import annotations

from base64 import b32decode, b32encode
from functools import cached_property
from typing import Final

from appliance.protocol.digests import sha256
from appliance.protocol.identity import PREFIX, Identity, PublicIdentity

NETWORK_PREFIX: Final = "llpn1:"
NETWORK_LABEL: Final = b"LLP1 network"


class NetworkKey(PublicIdentity):
    """The owner's public key, in the encoding of an identity. Its fingerprint is the network's name, and differs from that of an
    identity with the same keys."""

    @cached_property
    def fingerprint(self) -> str:
        """`llpn1:` and 52 characters: lowercase base32 without padding of SHA-256("LLP1 network" || both keys)."""
        return network_text(self.digest)

    @cached_property
    def digest(self) -> bytes:
        """The 32 bytes that the fingerprint spells."""
        return sha256(NETWORK_LABEL + self.encoded)

    def is_of(self, signer: Identity) -> bool:
        """Is that the owner's secret key?"""
        return signer.public.encoded == self.encoded


def network_text(digest: bytes) -> str:
    """How the network with that digest is spelt."""
    return NETWORK_PREFIX + _spelt(digest)


def identity_text(digest: bytes) -> str:
    """How the identity with that digest is spelt."""
    return PREFIX + _spelt(digest)


def signer_text(signer: bytes, network: bytes) -> str:
    """How who signed a statement is spelt: the network if it was its owner, else an identity."""
    return network_text(signer) if signer == network else identity_text(signer)


def digest_of_text(fingerprint: str) -> bytes:
    """The 32 bytes that a fingerprint of either kind spells. Raises ValueError if it is none."""
    prefix, colon, letters = fingerprint.partition(":")
    if prefix + colon not in {PREFIX, NETWORK_PREFIX} or len(letters) != 52 or letters != letters.lower():
        raise ValueError("no fingerprint")
    digest = b32decode(letters.upper() + "====")
    if _spelt(digest) != letters:
        raise ValueError("no fingerprint")
    return digest


def _spelt(digest: bytes) -> str:
    return b32encode(digest).decode().rstrip("=").lower()
