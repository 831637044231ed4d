"""Shared sockets at further ports, for a moment: to see whom a NAT lets in, or to have many ports at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from appliance.errors import ApplianceError
from appliance.runtime.links.table import Link
from appliance.runtime.links.transports import Transports

MOST: Final = 256
"""At a time. Each costs a descriptor here and one in the worker."""


class ExtraPorts:
    """Opens and closes them."""

    def __init__(self, transports: Transports) -> None:
        self._transports = transports
        self._open = 0

    @asynccontextmanager
    async def beside(self, listener: Link, count: int = 1) -> AsyncIterator[list[Link]]:
        """As many further sockets like `listener` as there may be, at most `count`; closed at the end."""
        links: list[Link] = []
        try:
            while len(links) < count and self._open < MOST:
                self._open += 1
                try:
                    links.append(await self._transports.open_beside(listener))
                except (OSError, ApplianceError):  # no port or no descriptor is left: fewer will do
                    self._open -= 1
                    break
            yield links
        finally:
            for link in links:
                self._open -= 1
                await self._transports.close_beside(link)
