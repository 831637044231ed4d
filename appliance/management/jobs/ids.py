"""Ids of executions: UUIDs of version 7 (RFC 9562, section 5.7), which are in the order of their time."""

from __future__ import annotations

from typing import Final
from uuid import UUID

RANDOM_BYTES: Final = 10


def execution_id(milliseconds: int, random: bytes) -> str:
    """The id for this wall time, with RANDOM_BYTES of randomness."""
    head = (milliseconds & (1 << 48) - 1).to_bytes(6, "big")
    number = int.from_bytes(head + random, "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=number))
