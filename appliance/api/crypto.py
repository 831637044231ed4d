"""What a cipher suite plugin offers: authenticated encryption of records, nothing else.

Key exchange, identities and rotation belong to LLP itself (docs/adr/0002), so a suite cannot weaken who talks to whom. A suite
is data plus an import path, because the worker process, which seals and opens, imports nothing but what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from appliance.api.values import Octets


class Aead(Protocol):
    """One direction's key, made by the suite's factory from `key_bytes` of key material.

    Called once per record, up to a hundred thousand times a second: no logging, no allocation that can be avoided. The classes
    of `cryptography.hazmat.primitives.ciphers.aead` fit as they are.
    """

    def encrypt_into(self, nonce: Octets, data: Octets, associated_data: Octets, buf: Octets, /) -> int:
        """Seal `data` into `buf`, which is `tag_bytes` longer and may begin at the same memory. Returns the bytes written."""

    def decrypt_into(self, nonce: Octets, data: Octets, associated_data: Octets, buf: Octets, /) -> int:
        """Open `data` into `buf`, which is `tag_bytes` shorter and may begin at the same memory.

        Raises any exception when the tag does not match; the content of `buf` is then never used.
        """


@dataclass(frozen=True, slots=True)
class CryptoSuite:
    """A record protection suite as it is registered by `appliance_crypto_suites()`.

    `wire_id` is its number in the Hello messages (u16; 0x8000 and above are for plugins outside this project). `aead` is the
    import path "package.module:factory" of a callable that turns `key_bytes` of key into an `Aead`. The nonce always has 12
    bytes. `max_records` bounds how many records one key may seal. `lab_only` suites are refused unless the profile sets
    `crypto.lab: true`.
    """

    name: str
    wire_id: int
    key_bytes: int
    tag_bytes: int
    aead: str
    max_records: int = 1 << 32
    lab_only: bool = False
