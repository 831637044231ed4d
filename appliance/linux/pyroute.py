"""pyroute2, as far as rtnetlink takes it.

The package imports every protocol that it speaks, and what we use needs none of that: 42 ms and 6 MB instead of 108 ms and 12 MB.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from appliance.linux.deferring import deferring


class Pyroute(NamedTuple):
    """What we take from it: the class of sessions, and the module of what they raise."""

    session: Any
    exceptions: Any


def load() -> Pyroute:
    """Import it; at once when that was done before."""
    with deferring("pyroute2"):
        from pyroute2.iproute.linux import AsyncIPRoute
        from pyroute2.netlink import exceptions

    return Pyroute(AsyncIPRoute, exceptions)
