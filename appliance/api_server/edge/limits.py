"""How much one connection, one address and all together may have. Pure: the time comes in."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final, NamedTuple

MOST_HEAD: Final = 32 << 10
"""Bytes of all names and values of header fields of a request."""
MOST_FIELDS: Final = 100
MOST_ADDRESS: Final = 8 << 10
"""Bytes of the address in the request line."""
MOST_RAW_BODY: Final = 4 << 20
"""Bytes of a body on the wire, chunk sizes and extensions included: four times what any operation takes."""
MOST_PIPELINED: Final = 16
"""Requests that wait on one connection while one before them is answered."""
MOST_LOCAL: Final = 512
"""Connections of root at the Unix socket, and of all other users there: root gets in when the network and these are full."""
MOST_OF_LOCAL_USER: Final = 256
"""Connections of one of these others; a proxy is one."""
MOST_REMEMBERED: Final = 4096
"""Addresses or users with a bucket; the one unused for longest is forgotten, which gives it a full bucket again."""
_LOCAL: Final = "uid "


class Deadlines(NamedTuple):
    """Seconds."""

    head: float = 10.0
    """From the first moment of a connection, or the first byte of a further request, until its header fields are complete."""
    body: float = 30.0
    """From then until the body is complete; longer by a second for each `least_rate` bytes that came."""
    least_rate: int = 16 << 10
    """Bytes a second."""
    write: float = 30.0
    """Until a client that has not read what was written is cut off."""
    linger: float = 2.0
    """Until a connection that was refused is cut off; it has this long to read why."""
    handshake: float = 10.0
    """Until TLS has shaken hands."""


def local_group(uid: int) -> str:
    """What is counted as one sender at the Unix socket: a user of this host."""
    return f"{_LOCAL}{uid}"


ROOT_GROUP: Final = local_group(0)


class Seats:
    """Who is connected. `most` in all from the network, `each` from one group."""

    def __init__(self, most: int, each: int) -> None:
        self._most = most
        self._each = each
        self._taken: Counter[str] = Counter()
        self._remote = 0
        self._local = 0
        """At the Unix socket, without root's."""

    @property
    def taken(self) -> int:
        """By all, the Unix socket's too."""
        return self._taken.total()

    def take(self, group: str) -> str:
        """A seat for a new connection: "", or why there is none."""
        if group == ROOT_GROUP:
            if self._taken[group] >= MOST_LOCAL:
                return "local-connections"
        elif group.startswith(_LOCAL):
            if self._local >= MOST_LOCAL or self._taken[group] >= MOST_OF_LOCAL_USER:
                return "local-connections"
        elif self._remote >= self._most:
            return "connections"
        elif self._taken[group] >= self._each:
            return "connections-of-address"
        self._count(group, 1)
        return ""

    def leave(self, group: str) -> None:
        """A connection that had a seat has ended."""
        self._count(group, -1)
        if not self._taken[group]:
            del self._taken[group]

    def _count(self, group: str, number: int) -> None:
        self._taken[group] += number
        if not group.startswith(_LOCAL):
            self._remote += number
        elif group != ROOT_GROUP:
            self._local += number


class Turns:
    """How many requests of each user are under way, streams too."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: Counter[str] = Counter()

    def take(self, user: str) -> bool:
        """One more, if there may be one more."""
        if self._of[user] >= self._most:
            return False
        self._of[user] += 1
        return True

    def leave(self, user: str) -> None:
        """One that was taken is over."""
        self._of[user] -= 1
        if not self._of[user]:
            del self._of[user]


class Buckets:
    """Token buckets, one a key: `rate` tokens a second, at most `burst`. A rate of 0 refuses nobody."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = max(1, burst)
        self._of: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """0.0 if there was a token for `key`; else the seconds until there is one."""
        if not self._rate:
            return 0.0
        tokens, since = self._of.pop(key, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        wait = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._rate
        self._of[key] = (tokens if wait else tokens - 1.0), now
        if len(self._of) > MOST_REMEMBERED:
            self._of.popitem(last=False)
        return wait
