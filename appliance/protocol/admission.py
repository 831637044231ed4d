"""How many strangers we take: token buckets for all of them and for each prefix, and a sign that there are too many."""

from __future__ import annotations

import ipaddress

from appliance.api.transport import SocketAddress

IPV4_PREFIX = 24
IPV6_PREFIX = 56
"""The prefixes that one site usually has (RFC 6177 for IPv6). Within its prefix a sender can use any address for nothing."""
PREFIX_SHARE = 4
"""A prefix may use a quarter of all handshakes, so that four noisy sites are needed to shut out a fifth."""
MAX_PREFIXES = 4096
"""Prefixes remembered; the one that was quiet for longest is forgotten first."""
CALM_SECONDS = 2.0
"""A flood counts as over when it was not too much for so long: in each gap a key exchange would be spent on it."""


class TokenBucket:
    """`rate` tokens a second, at most `burst` saved."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Use so many tokens, if they are there."""
        if not self.has(now, tokens):
            return False
        self._tokens -= tokens
        return True

    def has(self, now: float, tokens: float = 1.0) -> bool:
        """Are so many tokens there?"""
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        return self._tokens >= tokens


class Strain:
    """Does something come faster than `rate` a second, or did it lately?"""

    __slots__ = ("_bucket", "_until")

    def __init__(self, rate: float, now: float) -> None:
        self._bucket = TokenBucket(rate, rate, now)
        self._until = now

    def note(self, now: float) -> None:
        """One more came."""
        if not self._bucket.take(now):
            self._until = now + CALM_SECONDS

    def lasts(self, now: float) -> bool:
        """Is it too much now, or was it lately?"""
        return now < self._until


class PrefixRates:
    """A share of `rate` for each prefix."""

    def __init__(self, rate: float) -> None:
        self._share = max(4.0, rate / PREFIX_SHARE)
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, host: str, now: float) -> bool:
        """May one more come from `host`?"""
        prefix = prefix_of(host)
        bucket = self._buckets.pop(prefix, None) or TokenBucket(self._share, self._share, now)
        self._buckets[prefix] = bucket
        if len(self._buckets) > MAX_PREFIXES:
            del self._buckets[next(iter(self._buckets))]
        return bucket.take(now)


class Admission:
    """The limits of one node."""

    def __init__(self, handshakes_per_second: int, now: float) -> None:
        rate = max(1, handshakes_per_second)
        self._all = TokenBucket(rate, rate, now)
        self._unproven = Strain(rate / 2, now)
        self._prefixes = PrefixRates(rate)

    def busy(self, now: float) -> bool:
        """Count a hello without a cookie. True while they come at more than half the rate that we serve."""
        self._unproven.note(now)
        return self._unproven.lasts(now)

    def admit(self, source: SocketAddress | None, now: float) -> bool:
        """May this hello cost us a key exchange?"""
        return (source is None or self._prefixes.take(source[0], now)) and self._all.take(now)


def prefix_of(host: str) -> str:
    """The /24 or /56 that `host` (an address literal, possibly with a zone) is in."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    length = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
    return f"{address.version}:{int(address) >> (address.max_prefixlen - length):x}"
