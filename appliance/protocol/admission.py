"""How many strangers' handshakes we take: token buckets over all and per prefix, and the sign that cookies are needed."""

from __future__ import annotations

import ipaddress

from appliance.api.transport import SocketAddress

IPV4_PREFIX = 24
IPV6_PREFIX = 56
"""What one site usually has (RFC 6177 for the latter); within it addresses cost nothing."""
PREFIX_SHARE = 4
"""A prefix may use a quarter of all handshakes, so that four noisy sites are needed to shut out a fifth."""
MAX_PREFIXES = 4096
"""Prefixes remembered; the one that was quiet for longest is forgotten first."""


class TokenBucket:
    """`rate` tokens a second, at most `burst` saved."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def take(self, now: float) -> bool:
        """Use a token, if there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Admission:
    """The limits of one node. `handshakes_per_second` is what all senders together get."""

    def __init__(self, handshakes_per_second: int, now: float) -> None:
        self._rate = max(1, handshakes_per_second)
        self._all = TokenBucket(self._rate, self._rate, now)
        self._unproven = TokenBucket(self._rate / 2, self._rate / 2, now)
        self._prefixes: dict[str, TokenBucket] = {}

    def busy(self, now: float) -> bool:
        """Note a hello without a cookie; true when they come at more than half the rate we serve."""
        return not self._unproven.take(now)

    def admit(self, source: SocketAddress | None, now: float) -> bool:
        """May this hello cost us a key exchange?"""
        if source is not None and not self._prefix(prefix_of(source[0]), now).take(now):
            return False
        return self._all.take(now)

    def _prefix(self, prefix: str, now: float) -> TokenBucket:
        share = max(4.0, self._rate / PREFIX_SHARE)
        bucket = self._prefixes.pop(prefix, None) or TokenBucket(share, share, now)
        self._prefixes[prefix] = bucket
        if len(self._prefixes) > MAX_PREFIXES:
            del self._prefixes[next(iter(self._prefixes))]
        return bucket


def prefix_of(host: str) -> str:
    """The /24 or /56 that `host` (an address literal, possibly with a zone) is in."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    length = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
    return f"{address.version}:{int(address) >> (address.max_prefixlen - length):x}"
