"""What the node's cryptography is, and whether it is fit for production: known answers, sizes, policy, place of the identity."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, Final

from appliance.api.profile import Profile
from appliance.protocol import known_answers
from appliance.protocol.identity import MLDSA_KEY_BYTES

MODES: Final = {"required": "hybrid", "prefer": "hybrid-preferred", "off": "classical"}
"""By crypto.pq of the profile: what a session of this node is at least."""


async def crypto_status(profile: Profile) -> dict[str, Any]:
    """`initialized`: the primitives compute what they should. `production`: nothing stands in `reasons`. Sizes in bytes."""
    failed = await asyncio.to_thread(_failures)
    reasons = why_not(profile, failed)
    return {
        "initialized": not failed,
        "kem": "ML-KEM-1024",
        "signature": "ML-DSA-87",
        "suites": list(profile.crypto.suites),
        "mode": MODES[profile.crypto.pq],
        "key_pairs": 1,  # the identity's; those of key exchanges live for one of them
        "kem_key_bytes": known_answers.KEM_KEY_BYTES,
        "signature_key_bytes": MLDSA_KEY_BYTES,
        "production": not reasons,
        "reasons": reasons,
    }


def why_not(profile: Profile, failed: Mapping[str, str]) -> list[str]:
    """Why this is not fit for production: sentences."""
    found = [f"{name}: {problem}" for name, problem in failed.items()]
    if profile.crypto.pq != "required":
        found.append(f"crypto.pq is {profile.crypto.pq}: a session may be made without post-quantum key exchange")
    if profile.crypto.lab:
        found.append("crypto.lab is on: suites that protect nothing may be used")
    if profile.server.identity.startswith("file:"):
        found.append("the identity lies in a file that is not encrypted; a plugin can keep it elsewhere")
    return found


@functools.cache
def _failures() -> Mapping[str, str]:
    """Once a process: the library does not change under it."""
    return known_answers.failures()
