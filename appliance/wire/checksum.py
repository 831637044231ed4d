"""The Internet checksum (RFC 1071)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.api.values import Octets


def word_sum(octets: Octets) -> int:
    """The sum of 16-bit words in one's complement. Read as one number, the octets have it as their remainder by 65535."""
    number = int.from_bytes(octets, "big") << 8 * (len(octets) & 1)
    return number % 0xFFFF or (0xFFFF if number else 0)
