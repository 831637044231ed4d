"""pyroute2, as much of it as rtnetlink needs.

The package imports every protocol that it speaks. What we use needs none of them: 42 ms and 6 MB instead of 108 ms and 12 MB.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from appliance.linux.deferring import deferring


class Pyroute(NamedTuple):
    """What we use of it."""

    session: Any
    """The class of sessions."""
    exceptions: Any
    """The module of what they raise."""


def load() -> Pyroute:
    """Import it; returns at once if that was done before."""
    with deferring("pyroute2"):
        from pyroute2.iproute.linux import AsyncIPRoute
        from pyroute2.netlink import exceptions

    return Pyroute(AsyncIPRoute, exceptions)
