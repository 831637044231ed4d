"""What the daemon answers about the table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pydantic import RootModel

from appliance.api.management import ApiCall
from appliance.api.profile import Section
from hearsay_routing.news import News


class Which(Section):
    """The arguments of `hearsay.routes`."""

    peer: str | None = None


class Way(Section):
    """One way to a prefix."""

    prefix: str
    peer: str
    hops: int
    used: bool


class Ways(RootModel[list[Way]]):
    """An answer."""


async def routes(call: ApiCall) -> list[dict[str, Any]]:
    """All ways that are known, the best to each prefix first."""
    return News.of(call.services).routes(call.arguments.peer)


async def changes(call: ApiCall) -> AsyncIterator[list[dict[str, Any]]]:
    """The ways that are used: now, and after each change."""
    async for ways in News.of(call.services).following():
        yield ways
