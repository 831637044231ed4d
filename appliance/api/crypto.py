"""What a cipher suite plugin offers: authenticated encryption of records, nothing else.

Key exchange, identities and rotation belong to LLP itself (docs/adr/0002), so a suite cannot weaken who talks to whom. A suite
is data plus an import path, because the worker process, which seals and opens, imports nothing but what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from appliance.api.values import Octets


class Aead(Protocol):
    """The key of one direction, made by the suite's factory from `key_bytes` of key material.

    Called once for each record, up to a hundred thousand times a second: do not log, and allocate as little as possible. The
    classes of `cryptography.hazmat.primitives.ciphers.aead` fit as they are.
    """

    def encrypt_into(self, nonce: Octets, data: Octets, associated_data: Octets, buf: Octets, /) -> int:
        """Seal `data` into `buf`, which is `tag_bytes` longer. Both may begin at the same place in memory. Returns the number of
        bytes written."""

    def decrypt_into(self, nonce: Octets, data: Octets, associated_data: Octets, buf: Octets, /) -> int:
        """Open `data` into `buf`, which is `tag_bytes` shorter. Both may begin at the same place in memory.

        Raises any exception if the tag does not match. The content of `buf` is not used then.
        """


@dataclass(frozen=True, slots=True)
class CryptoSuite:
    """A record protection suite, as `appliance_crypto_suites()` registers it. Nonces have 12 bytes."""

    name: str
    """What `crypto.suites` of a profile calls it."""
    wire_id: int
    """Its number in the Hello messages (u16). Suites outside this project use 0x8000 and above."""
    key_bytes: int
    """Bytes of key material that `aead` takes."""
    tag_bytes: int
    """How many bytes longer a record is once it is sealed."""
    aead: str
    """Import path "package.module:factory" of a callable that makes an `Aead` of `key_bytes` bytes."""
    max_records: int = 1 << 32
    """The most records that one key may seal."""
    lab_only: bool = False
    """It protects too little: it is refused unless the profile sets `crypto.lab: true`."""
