"""Cookies of a meeting place: how much of a tag somebody was told, in bytes that nobody else can make.

    position u64 | the first 16 bytes of HMAC-SHA-256(secret, position | tag)

The place keeps nothing of them. Its secret is new at each start, since positions are.
"""

from __future__ import annotations

from typing import Final

from appliance.protocol.digests import bytes_eq, hmac_sha256

SECRET_BYTES: Final = 32
_POSITION: Final = 8
_MAC: Final = 16


class Cookies:
    """`secret`: random bytes that nobody else knows."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, tag: str, position: int) -> bytes:
        """What stands for all of the tag up to `position`."""
        said = position.to_bytes(_POSITION, "big")
        return said + hmac_sha256(self._secret, said + tag.encode())[:_MAC]

    def read(self, tag: str, cookie: bytes) -> int | None:
        """The position; None if the cookie was never given for this tag."""
        position = int.from_bytes(cookie[:_POSITION], "big")
        return position if bytes_eq(cookie, self.make(tag, position)) else None
