"""What the parts of the plugin on one node share: the table, and who wants to hear of its changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from appliance.api.services import Services
from hearsay_routing.table import Table

NAME = "news"


def _nobody() -> None:
    """Is not there yet."""


class News:
    """The table of this node, and those who hear of each change: the router, the protocol, and callers who follow it."""

    def __init__(self) -> None:
        self.table = Table()
        self.router: Callable[[], None] = _nobody
        self.protocol: Callable[[], None] = _nobody
        self.followers: list[Callable[[], None]] = []

    @classmethod
    def of(cls, services: Services) -> News:
        """The one of this node."""
        found: News = services.shared.setdefault(NAME, cls())
        return found

    def changed(self) -> None:
        """The table says something else."""
        for told in (self.router, self.protocol, *self.followers):
            told()

    def routes(self, peer: str | None = None) -> list[dict[str, Any]]:
        """All ways, as an operation shows them."""
        best = self.table.best()
        return [
            {"prefix": str(prefix), "peer": way.peer, "hops": way.hops, "used": best[prefix] == way}
            for prefix, way in self.table.ways()
            if peer in (None, way.peer)
        ]

    async def following(self) -> AsyncIterator[list[dict[str, Any]]]:
        """The ways that are used, now and after each change; who is slow misses what was in between."""
        turned = asyncio.Event()
        self.followers.append(turned.set)
        try:
            while True:
                turned.clear()
                yield [route for route in self.routes() if route["used"]]
                await turned.wait()
        finally:
            self.followers.remove(turned.set)
