"""One look at the kernel, for checking many facts: each table is read once at most."""

from __future__ import annotations

from typing import Any

from appliance.linux import addresses, interfaces, routes, rules
from appliance.linux.netlink import Netlink
from appliance.planning import own


class Look:
    """What the kernel has: interfaces by name, and addresses, routes and rules as sets of keys. Not to be kept: it gets old."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._links: dict[str, dict[str, Any]] | None = None
        self._sets: dict[str, set[tuple[Any, ...]]] = {}

    async def links(self) -> dict[str, dict[str, Any]]:
        """As `interfaces.read` gives them."""
        if self._links is None:
            self._links = await interfaces.read(self._netlink)
        return self._links

    async def addresses(self) -> set[tuple[Any, ...]]:
        """(link, address)."""
        if "addresses" not in self._sets:
            found = await addresses.read(self._netlink, await self._names())
            self._sets["addresses"] = {(entry["link"], entry["address"]) for entry in found}
        return self._sets["addresses"]

    async def routes(self) -> set[tuple[Any, ...]]:
        """As `own.route_key` makes them."""
        if "routes" not in self._sets:
            found = await routes.read(self._netlink, await self._names())
            self._sets["routes"] = {own.route_key(entry) for entry in found}
        return self._sets["routes"]

    async def rules(self) -> set[tuple[Any, ...]]:
        """As `own.rule_key` makes them."""
        if "rules" not in self._sets:
            self._sets["rules"] = {own.rule_key(entry) for entry in await rules.read(self._netlink)}
        return self._sets["rules"]

    async def _names(self) -> dict[int, str]:
        return {link["index"]: name for name, link in (await self.links()).items()}
