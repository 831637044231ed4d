"""Stateless cookies: a sender that returns one has shown that it receives at the address it sends from.

    cookie = u32 minute || HMAC-SHA256(secret, u32 minute || host || 0 || port)[:28]

Good in the minute it was made and in the next one. The secret is drawn at start, so a restart makes every cookie void. The
control process and its workers have the same secret and the same clock, so each takes the others' cookies.
"""

from __future__ import annotations

from appliance.api.transport import SocketAddress
from appliance.protocol.digests import bytes_eq, hmac_sha256
from appliance.wire.envelope import FLAG_COOKIE, PacketType, pack
from appliance.wire.hello import Opening, encode_cookie_reply

COOKIE_BYTES = 32
SECRET_BYTES = 32
BUCKET_SECONDS = 60
"""How long the number in a cookie stays the same."""
AMPLIFICATION = 3
"""Bytes that we may send for each byte from an address that has not shown that it receives (RFC 9000, section 8.1)."""


class Cookies:
    """Makes and checks the cookies of one node."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

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


def cookie_reply(opening: Opening, cookie: bytes, received_bytes: int, now: float) -> bytes | None:
    """The packet that answers a hello of `received_bytes` bytes, of which `opening` is the beginning. None if they are too few
    for an answer."""
    body = encode_cookie_reply(opening.random, cookie)
    stream = (opening.session_index & 0xFFFFFF) << 8
    packet = pack(PacketType.HANDSHAKE_RESPONSE, FLAG_COOKIE, stream, 0, int(now * 1000), len(body)) + body
    return packet if len(packet) <= AMPLIFICATION * received_bytes else None
