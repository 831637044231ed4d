"""Dials that wait until there is a session with a relay, and dials that failed since there was none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.api.values import Endpoint


class Waiting:
    """`again(peer, endpoint)` has an endpoint of a peer tried again: its relay is there now."""

    def __init__(self, again: Callable[[str, Endpoint], None]) -> None:
        self._again = again
        self._news: dict[str, asyncio.Event] = {}
        """Of relays, by name, whose sessions are waited for."""
        self._failed: dict[str, dict[str, Endpoint]] = {}
        """By relay: the peers that were not reached over it, and where. At most one for each peer of the node."""

    async def news(self, relay: str) -> None:
        """Until that relay has a session, or could not be reached."""
        await self._news.setdefault(relay, asyncio.Event()).wait()

    def failed(self, relay: str, peer: str, endpoint: Endpoint) -> None:
        """`peer` was not reached at this endpoint for want of the relay. If it is a relay too, who waits for it waits in vain."""
        self._failed.setdefault(relay, {})[peer] = endpoint
        self._tell(peer)

    def there(self, relay: str) -> None:
        """The relay has a session, or answers again: what waits goes on, and what failed is tried again."""
        self._tell(relay)
        for peer, endpoint in self._failed.pop(relay, {}).items():
            self._again(peer, endpoint)

    def _tell(self, relay: str) -> None:
        if (news := self._news.pop(relay, None)) is not None:
            news.set()
