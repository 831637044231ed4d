"""How a newcomer and the member that invited it prove to each other that they know the secret of one invitation.

    joiner's  = HMAC-SHA512(key, "LLP1 enrolment joiner"  || exporter || digest of joiner || digest of inviter)[:32]
    inviter's = HMAC-SHA512(key, "LLP1 enrolment inviter" || exporter || digest of joiner || digest of inviter || body)[:32]

The exporter is known to the two ends of one session only: a man in the middle has two sessions with two exporters, so the proof
of one end is worth nothing at the other. Nothing that travels tells anything of the key.

Where a member passes on what they say, there is no such session. What takes the exporter's place is no secret; it makes the
proofs hold for this member and one random number of the newcomer's. A proof says for whom a certificate may be, and a certificate
is no secret: whoever passes it on, or says it again, gets nothing but the newcomer's certificate.

    in its place = SHA-256("LLP1 enrolment passed on" || 16 random bytes || digest of who passes it on)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from appliance.members.invitation import NUMBER_BYTES
from appliance.members.network import digest_of_text
from appliance.protocol.digests import hmac_sha512, sha256

JOINER_LABEL: Final = b"LLP1 enrolment joiner"
INVITER_LABEL: Final = b"LLP1 enrolment inviter"
PASSED_ON_LABEL: Final = b"LLP1 enrolment passed on"
PROOF_BYTES: Final = 32
SESSION_BYTES: Final = 16


class Bound(NamedTuple):
    """The session that proofs are bound to."""

    session: bytes
    """The 16 bytes of its UUID."""
    exporter: bytes
    """Secret: 32 bytes."""
    joiner: str
    """Fingerprint of the end that calls."""
    inviter: str
    """Fingerprint of the end that is called."""
    by: str = ""
    """The member that passes on what the two say, by fingerprint; "" for a session of their own."""

    def __repr__(self) -> str:
        return f"Bound({self.joiner}, {self.inviter})"

    @classmethod
    def passed_on(cls, number: bytes, relay: str, joiner: str, inviter: str) -> Bound:
        """What stands for a session where the member `relay` passes on what two others say. `number`: 16 random bytes."""
        return cls(number, sha256(PASSED_ON_LABEL + number + digest_of_text(relay)), joiner, inviter, relay)


class Claim(NamedTuple):
    """What a newcomer says: that it knows the secret of the invitation with this number."""

    number: bytes
    session: bytes
    """The session that the proof is for: if that has been replaced meanwhile, it is no wrong guess."""
    proof: bytes

    def content(self) -> dict[str, str]:
        """As it travels."""
        return {"invitation": self.number.hex(), "session": self.session.hex(), "proof": self.proof.hex()}

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Claim | None:
        """None for what is no claim. Members that we do not know are of a later version."""
        sizes = {"invitation": NUMBER_BYTES, "session": SESSION_BYTES, "proof": PROOF_BYTES}
        found = [octets(content.get(name), size) for name, size in sizes.items()]
        number, session, proof = found
        return None if number is None or session is None or proof is None else cls(number, session, proof)


def joiner_proof(key: bytes, bound: Bound) -> bytes:
    """The newcomer's."""
    return hmac_sha512(key, JOINER_LABEL + _told(bound))[:PROOF_BYTES]


def inviter_proof(key: bytes, bound: Bound, body: bytes) -> bytes:
    """The inviter's, which also says that `body` is from it."""
    return hmac_sha512(key, INVITER_LABEL + _told(bound) + body)[:PROOF_BYTES]


def octets(text: object, size: int) -> bytes | None:
    """The `size` bytes that a hexadecimal text spells; None if it is not that."""
    if not isinstance(text, str) or len(text) != 2 * size:
        return None
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return None
    return found if len(found) == size else None


def _told(bound: Bound) -> bytes:
    return bound.exporter + digest_of_text(bound.joiner) + digest_of_text(bound.inviter)
