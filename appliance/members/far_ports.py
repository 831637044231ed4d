"""Which port a NAT will give next: foretold where it counts up, and met by chance where it draws them.

Foretelling takes two fresh mappings a moment apart. Meeting by chance is the birthday paradox: with 256 sockets on the side whose
ports are drawn and 1,024 probes from the other, one of the probes meets one of the mappings in 98 of 100 attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from appliance.api.values import Endpoint
from appliance.members.reflections import Mapping

LARGEST_STEP: Final = 4
"""Two mappings whose ports are no further apart were counted, with other hosts' flows between them."""
WINDOW: Final = 8
"""Ports from the foretold one on that are tried: others use the NAT too."""
SPRAYED: Final = 1024
FANNED: Final = 256
"""Probes of one side and sockets of the other in an attempt to meet by chance."""
SPRAY_PER_SECOND: Final = 200.0
SPRAY_SECONDS: Final = SPRAYED / SPRAY_PER_SECOND + 1.0
BETWEEN_SECONDS: Final = 60.0
"""From the beginning of one attempt to the next one's, with whomever: hundreds of peers do not keep hundreds of ports open."""
AGAIN_SECONDS: Final = 600.0
"""Until an attempt with the same peer is repeated: it fills a thousand entries of the NAT's table."""
FIRST_PORT: Final = 1024
LAST_PORT: Final = 65535


def foretold(first: Endpoint, second: Endpoint, local: int) -> Endpoint | None:
    """Where the next flow will come from, after two flows of fresh sockets were seen there. `local` is the first one's own port:
    a NAT that keeps ports counts nothing. None: it does not count."""
    step = second.port - first.port
    if first.host != second.host or first.port == local or not 1 <= step <= LARGEST_STEP or second.port + step > LAST_PORT:
        return None
    return second._replace(port=second.port + step)


def window(first: Endpoint) -> list[Endpoint]:
    """The ports to try from a foretold one on."""
    return [first._replace(port=port) for port in range(first.port, min(first.port + WINDOW, LAST_PORT + 1))]


def drawn(random_bytes: Callable[[int], bytes]) -> Iterator[int]:
    """Ports in an order that nobody can tell, each once, as many as are sprayed."""
    seen: set[int] = set()
    while len(seen) < SPRAYED:
        number = int.from_bytes(random_bytes(2), "big")
        if number >= FIRST_PORT and number not in seen:
            seen.add(number)
            yield number


def may_meet(mine: str, theirs: str) -> bool:
    """Is an attempt by chance worth it? One side's ports must be drawn, and the other's must not."""
    return [mine, theirs].count(Mapping.DEPENDENT) == 1 and not {mine, theirs} & {Mapping.SEQUENTIAL}


class Attempts:
    """Attempts by chance: one of a node at a time, and with each peer not often."""

    def __init__(self) -> None:
        self._busy_until = float("-inf")
        self._last: dict[str, float] = {}
        self.begun = 0

    def take(self, identity: str, now: float) -> bool:
        """May one with this peer begin?"""
        if now < self._busy_until or now - self._last.get(identity, float("-inf")) < AGAIN_SECONDS:
            return False
        self._busy_until = now + BETWEEN_SECONDS
        self._last = {known: at for known, at in self._last.items() if now - at < AGAIN_SECONDS} | {identity: now}
        self.begun += 1
        return True
