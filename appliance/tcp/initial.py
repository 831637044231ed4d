"""First sequence numbers (RFC 6528): from a clock and a keyed hash of addresses and ports, so that nobody guesses them."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

TICKS: Final = 250_000  # a second; RFC 6528, 3


def initial_number(key: bytes, flow: bytes, now: float) -> int:
    """Of 32 bits, for the flow with these addresses and ports."""
    return _hashed(key, b"number" + flow) + int(now * TICKS) & 0xFFFFFFFF


def stamp_offset(key: bytes, flow: bytes) -> int:
    """Where the timestamps of a flow begin (RFC 7323, 5.4)."""
    return _hashed(key, b"stamp" + flow)


def _hashed(key: bytes, message: bytes) -> int:
    running = HMAC(key, SHA256())
    running.update(message)
    return int.from_bytes(running.finalize()[:4], "big")
