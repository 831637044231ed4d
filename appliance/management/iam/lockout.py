"""Guessing slowed down: after a few wrong passwords each further one has to wait, longer each time, and never for good.

An attempt counts as wrong *before* the password is looked at, and is forgotten when it was right. So fifty guesses at once are
not fifty free guesses, and a crash in between forgets none. What is counted is named by a key: the name that was given, whether
or not there is such a user, and the address it came from. A user's own addresses are counted apart, so a stranger who guesses on
and on slows himself down, and not the owner where he usually is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from hashlib import sha256
from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode

FREE_FOR_NAME: Final = 5
"""Wrong passwords before the first wait."""
FREE_FOR_ADDRESS: Final = 20
"""The same for one address, behind which there may be many people."""
FIRST_WAIT: Final = 30
"""Seconds; doubled with each further failure."""
LONGEST_WAIT: Final = 900
"""Seconds."""
FORGOTTEN_AFTER: Final = 3600
"""Seconds without an attempt after which failures count no more."""
MOST_OWN_ADDRESSES: Final = 4
"""Addresses of a user that are remembered, the latest ones."""


class TooManyAttempts(ApplianceError):
    """Too many wrong attempts: wait. The same for names that exist and for those that do not."""

    exit_code = ExitCode.RETRY
    retryable = True

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds."""
        super().__init__("too many attempts failed", hint=f"try again in {retry_after} s")
        self.retry_after = retry_after


class Attempts(NamedTuple):
    """What is kept of a key."""

    failures: int = 0
    until: int = 0
    """Unix seconds before which no further attempt is judged."""
    last: int = 0
    """Unix seconds of the last attempt."""

    @property
    def expires(self) -> int:
        """Unix seconds from which on it need not be kept."""
        return max(self.until, self.last) + FORGOTTEN_AFTER


def attempted(before: Attempts, now: int, free: int) -> Attempts:
    """One more attempt, which counts as wrong. Raises TooManyAttempts, and then nothing is counted.

    A wait that is longer than any ever was set by a clock that has gone back since; it is over.
    """
    wait = before.until - now
    if 0 < wait <= LONGEST_WAIT:
        raise TooManyAttempts(wait)
    forgotten = not -LONGEST_WAIT <= now - before.last < FORGOTTEN_AFTER
    failures = 1 if forgotten else before.failures + 1
    wait = min(FIRST_WAIT << min(failures - free, 10), LONGEST_WAIT) if failures >= free else 0
    return Attempts(failures, now + wait if wait else 0, now)


def name_key(name: str, address: str, own: Collection[str] = ()) -> str:
    """Under which key the attempts for a name are counted. `own`: what `address_mark` gave for addresses of this user."""
    mark = address_mark(address)
    return f"name/{_digest(name)}/{mark}" if mark and mark in own else f"name/{_digest(name)}"


def address_key(address: str) -> str:
    """Under which key the attempts from an address are counted; "" for none (a local socket)."""
    mark = address_mark(address)
    return f"address/{mark}" if mark else ""


def address_mark(address: str) -> str:
    """What stands for an address: a digest of the IPv4 address, or of the /64 that one subscriber has of IPv6. "" for none."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or ipaddress.IPv6Address(int(parsed) >> 64 << 64)
    return _digest(str(parsed))


def _digest(text: str) -> str:
    """Names and addresses are not kept in clear: somebody may have typed his password where the name belongs."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
