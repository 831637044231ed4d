"""A claim: "I had no answer from that member", signed by who says it, so that nobody can lend his voice to others.

 0        32         40         72          136
+--------+----------+----------+-----------+
| target | sequence | accuser  | signature |          sequence: that of the target's row, which a later row contradicts
| 32     | u64      | 32       | 64        |          signature: Ed25519 over "LLP1 claim" || network || the first 72 bytes
+--------+----------+----------+-----------+
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from appliance.members.row import Digest, Verifier

LABEL: Final = b"LLP1 claim"
_CLAIM: Final = struct.Struct("!32sQ32s64s")
CLAIM_BYTES: Final = _CLAIM.size
SIGNED_BYTES: Final = CLAIM_BYTES - 64


class Claim(NamedTuple):
    """A suspicion."""

    target: Digest
    sequence: int
    accuser: Digest
    encoded: bytes


def sign_claim(network: Digest, target: Digest, sequence: int, accuser: Digest, sign: Callable[[bytes], bytes]) -> Claim:
    """Say that `target` did not answer. `sign`: Ed25519 with the accuser's key."""
    said = _CLAIM.pack(target, sequence, accuser, b"")[:SIGNED_BYTES]
    return Claim(target, sequence, accuser, said + sign(LABEL + network + said))


def claims_in(body: bytes) -> Iterator[tuple[Digest, int, Digest, bytes]]:
    """Target, sequence, accuser and signature of the claims in a message, nothing judged; none when it has another form."""
    return _CLAIM.iter_unpack(body) if len(body) % CLAIM_BYTES == 0 else iter(())


def claim_of(target: Digest, sequence: int, accuser: Digest, signature: bytes) -> Claim:
    """One of those."""
    return Claim(target, sequence, accuser, _CLAIM.pack(target, sequence, accuser, signature))


def is_signed(claim: Claim, network: Digest, key: bytes, verify: Verifier) -> bool:
    """Did the accuser, whose key this is, say so?"""
    said, signature = claim.encoded[:SIGNED_BYTES], claim.encoded[SIGNED_BYTES:]
    return verify(key, signature, LABEL + network + said)
