"""How many handshakes a core does, beside how many signatures: the protocol alone, on a network in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from appliance.testing.network import Network
from appliance.testing.pair import Pair, identity_of

MESSAGE = bytes(64)


def handshakes_per_second(seconds: float) -> float:
    """Complete handshakes, the work of both ends on one core, at most one pair of nodes at a time."""
    return _rate(lambda: Pair(Network(seed=1)).connect(), seconds)


def signatures_per_second(seconds: float) -> float:
    """Ed25519 and ML-DSA-87 signatures of one identity."""
    identity = identity_of("a")
    return _rate(lambda: identity.sign(MESSAGE), seconds)


def _rate(deed: Callable[[], object], seconds: float) -> float:
    deed()
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        deed()
        count += 1
    return count / (time.perf_counter() - begun)
