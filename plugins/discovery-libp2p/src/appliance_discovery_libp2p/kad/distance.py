"""How near two things are in libp2p's Kademlia: both are hashed to 256 bits, the distance is their XOR as a number."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

BITS: Final = 256


def point(name: bytes) -> int:
    """Where a peer (its id) or a key lies."""
    return int.from_bytes(sha256(name).digest(), "big")
