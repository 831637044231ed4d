"""Stateless cookies: a sender that returns one has shown that it receives at the address it sends from.

    cookie = u32 minute || HMAC-SHA256(secret, u32 minute || host || 0 || port)[:28]

Good in the minute it was made and in the next one. The secret is drawn at start, so a restart makes every cookie void.
"""

from __future__ import annotations

from appliance.api.transport import SocketAddress
from appliance.protocol.digests import bytes_eq, hmac_sha256
from appliance.protocol.handshake import Entropy

COOKIE_BYTES = 32
SECRET_BYTES = 32
BUCKET_SECONDS = 60


class Cookies:
    """Makes and checks cookies for one node."""

    def __init__(self, entropy: Entropy) -> None:
        self._secret = entropy(SECRET_BYTES)

    def make(self, source: SocketAddress, now: float) -> bytes:
        """The cookie for `source` now."""
        return self._at(source, int(now // BUCKET_SECONDS))

    def check(self, cookie: bytes, source: SocketAddress, now: float) -> bool:
        """Was `cookie` made for `source` in this minute or the last?"""
        if len(cookie) != COOKIE_BYTES:
            return False
        bucket = int(now // BUCKET_SECONDS)
        claimed = int.from_bytes(cookie[:4], "big")
        if claimed not in (bucket & 0xFFFFFFFF, (bucket - 1) & 0xFFFFFFFF):
            return False
        return bytes_eq(cookie, self._at(source, claimed))

    def _at(self, source: SocketAddress, bucket: int) -> bytes:
        stamp = (bucket & 0xFFFFFFFF).to_bytes(4, "big")
        host, port = source[0], source[1]
        tag = hmac_sha256(self._secret, stamp + host.encode() + b"\0" + port.to_bytes(4, "big"))
        return stamp + tag[: COOKIE_BYTES - len(stamp)]
