"""Who a node is: an Ed25519 and an ML-DSA-87 key pair that always sign together, and the fingerprint peers are pinned by.

The public identity is 2,624 bytes on the wire and a signature 4,691:

     0            32                2624          0            64                4691
    +------------+-----------------+             +------------+-----------------+
    | Ed25519 pk | ML-DSA-87 pk    |             | Ed25519    | ML-DSA-87       |
    +------------+-----------------+             +------------+-----------------+

A signature counts only when both halves verify, so it holds for as long as one of the two schemes does (docs/adr/0002).
"""

from __future__ import annotations

import re
from base64 import b32encode
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PrivateKey, MLDSA87PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from appliance.errors import PeerFault, ProfileError
from appliance.protocol.digests import sha256
from appliance.wire.faults import Fault

ED25519_KEY_BYTES = 32
MLDSA_KEY_BYTES = 2592
PUBLIC_BYTES = ED25519_KEY_BYTES + MLDSA_KEY_BYTES
ED25519_SIGNATURE_BYTES = 64
MLDSA_SIGNATURE_BYTES = 4627
SIGNATURE_BYTES = ED25519_SIGNATURE_BYTES + MLDSA_SIGNATURE_BYTES

PREFIX = "llp1:"
FINGERPRINT_LABEL = b"LLP1 identity"
_PEM_BLOCK = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----", re.DOTALL)


class IdentityInvalid(ProfileError):
    """The text is not an identity file. The message contains nothing of it."""


class PublicIdentity:
    """What a peer shows in a handshake."""

    def __init__(self, encoded: bytes) -> None:
        """`encoded` is the 2,624 bytes of the wire form. Raises PeerFault if it has another length."""
        if len(encoded) != PUBLIC_BYTES:
            raise PeerFault(Fault.BAD_IDENTITY)
        self.encoded = encoded

    @cached_property
    def fingerprint(self) -> str:
        """`llp1:` and 52 characters: lowercase base32 without padding of SHA-256("LLP1 identity" || both keys)."""
        return PREFIX + b32encode(self.digest).decode().rstrip("=").lower()

    @cached_property
    def digest(self) -> bytes:
        """The 32 bytes that the fingerprint spells."""
        return sha256(FINGERPRINT_LABEL + self.encoded)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises PeerFault unless both signatures of `message` are good."""
        if len(signature) != SIGNATURE_BYTES:
            raise PeerFault(Fault.BAD_SIGNATURE)
        try:
            Ed25519PublicKey.from_public_bytes(self.encoded[:ED25519_KEY_BYTES]).verify(
                signature[:ED25519_SIGNATURE_BYTES], message
            )
            MLDSA87PublicKey.from_public_bytes(self.encoded[ED25519_KEY_BYTES:]).verify(
                signature[ED25519_SIGNATURE_BYTES:], message
            )
        except (InvalidSignature, ValueError):
            raise PeerFault(Fault.BAD_SIGNATURE) from None


class Identity:
    """A node's secret identity. Its text form never shows the keys."""

    def __init__(self, ed25519: Ed25519PrivateKey, mldsa: MLDSA87PrivateKey) -> None:
        self._ed25519 = ed25519
        self._mldsa = mldsa
        self.public = PublicIdentity(ed25519.public_key().public_bytes_raw() + mldsa.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Identity({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """How peers name this node in their profiles."""
        return self.public.fingerprint

    @classmethod
    def generate(cls) -> Identity:
        """A new identity from the cryptographic library's own generator."""
        return cls(Ed25519PrivateKey.generate(), MLDSA87PrivateKey.generate())

    @classmethod
    def from_seeds(cls, ed25519: bytes, mldsa: bytes) -> Identity:
        """The identity of two 32-byte seeds. For test vectors: whoever knows the seeds is this node."""
        return cls(Ed25519PrivateKey.from_private_bytes(ed25519), MLDSA87PrivateKey.from_seed_bytes(mldsa))

    @classmethod
    def from_pem(cls, text: bytes | memoryview) -> Identity:
        """Read an identity file: two PKCS#8 PEM blocks, one of each kind, in any order. Makes no copy of a view. Raises
        IdentityInvalid."""
        hint = "make one with: appliance keys new PATH"
        blocks = [memoryview(text)[found.start() : found.end()] for found in _PEM_BLOCK.finditer(text)]
        if len(blocks) != 2:
            raise IdentityInvalid(f"an identity file holds two PRIVATE KEY blocks, this one {len(blocks)}", hint=hint)
        try:
            keys = [load_pem_private_key(block, None) for block in blocks]
        except (ValueError, TypeError):
            raise IdentityInvalid("a PRIVATE KEY block of the identity file is damaged", hint=hint) from None
        ed25519 = next((key for key in keys if isinstance(key, Ed25519PrivateKey)), None)
        mldsa = next((key for key in keys if isinstance(key, MLDSA87PrivateKey)), None)
        if ed25519 is None or mldsa is None:
            raise IdentityInvalid("an identity file holds one Ed25519 and one ML-DSA-87 key", hint=hint)
        return cls(ed25519, mldsa)

    def to_pem(self) -> bytes:
        """The content of an identity file. Secret: the file's mode is 0600."""
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self._ed25519.private_bytes(*form) + self._mldsa.private_bytes(*form)

    def sign_ed25519(self, message: bytes) -> bytes:
        """The Ed25519 half alone, for what can grant nothing (docs/adr/0036). Takes 20 µs."""
        return self._ed25519.sign(message)

    def sign(self, message: bytes) -> bytes:
        """Both signatures of `message`. Takes 0.5 to 5 ms: ML-DSA repeats until its result gives nothing away."""
        return self._ed25519.sign(message) + self._mldsa.sign(message)
