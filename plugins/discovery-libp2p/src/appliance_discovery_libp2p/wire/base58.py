"""Base58 with Bitcoin's alphabet, as peer ids are written."""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
VALUES: Final = {letter: value for value, letter in enumerate(ALPHABET)}
LONGEST: Final = 128
"""Characters that are read: the time grows with their square."""


def encode(data: bytes) -> str:
    """Each zero byte at the beginning is a "1", the rest a number to the base 58."""
    number, letters = int.from_bytes(data, "big"), ""
    while number:
        number, value = divmod(number, 58)
        letters = ALPHABET[value] + letters
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + letters


def decode(text: str) -> bytes:
    """What `encode` wrote. Raises ValueError."""
    if len(text) > LONGEST or not all(letter in VALUES for letter in text):
        raise ValueError("not base58")
    number = 0
    for letter in text:
        number = number * 58 + VALUES[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
