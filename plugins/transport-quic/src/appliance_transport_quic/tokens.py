"""The tokens of Retry packets: whoever returns one receives at its address (RFC 9000, section 8.1.2). Pure.

    seconds (4) | length of the original ID (1) | original ID | new ID | BLAKE2b over these and the address (16)

Nothing is kept for who has one, and judging one takes microseconds.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress

SECONDS: Final = 10
"""How long a token is good: a round trip, and what a busy far end takes."""
MAC: Final = 16


class Tokens:
    """Makes and judges the tokens of one listener. `key` is random. Times are its monotonic seconds."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, source: SocketAddress, original: bytes, new: bytes, now: float) -> bytes:
        """The token for who is at `source`, first wrote to the connection ID `original`, and shall write to `new`."""
        data = int(now).to_bytes(4) + bytes([len(original)]) + original + new
        return data + self._mac(data, source)

    def judge(self, token: bytes, source: SocketAddress, now: float) -> tuple[bytes, bytes] | None:
        """The original and the new connection ID; None if the token is not ours, of another address, or too old."""
        data, mac = token[:-MAC], token[-MAC:]
        if len(data) < 5 or not hmac.compare_digest(mac, self._mac(data, source)):
            return None
        if not 0 <= int(now) - int.from_bytes(data[:4]) <= SECONDS:
            return None
        end = 5 + data[4]
        return data[5:end], data[end:]

    def _mac(self, data: bytes, source: SocketAddress) -> bytes:
        return hashlib.blake2b(data + f"{source[0]} {source[1]}".encode(), key=self._key, digest_size=MAC).digest()
