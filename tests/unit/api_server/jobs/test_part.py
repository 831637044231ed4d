"""The node's events come into the log, and come again when the node was away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from appliance.api_server.asking import Asking
from appliance.api_server.jobs.part import JobsPart
from appliance.management.operations.table import ROWS
from appliance.sdk.errors import SDKError
from tests.rigs.virtual_loop import played
from tests.unit.api_server.jobs.house import new_store


def test_events_of_the_node_are_heard_again_after_it_was_away() -> None:
    async def story() -> None:
        lives = 0

        async def follow() -> AsyncGenerator[Mapping[str, Any], None]:
            nonlocal lives
            lives += 1
            yield {"event": "health", "time": "09:00", "ok": True, "life": lives}
            yield {"event": "audit", "entries": lives}
            if lives < 3:
                raise SDKError("the node went away")
            await asyncio.sleep(10**6)

        async def ask(*_: Any) -> Any:
            return {}

        async def find(_name: str, _user: str) -> None:
            return None

        async def still(_call: object) -> bool:
            return True

        part = JobsPart(
            new_store(), ROWS, Asking(ask, lambda: 0.0), follow, server="one", permitted=lambda *_: True, find=find, still=still
        )
        await part.open()
        part.jobs.stats = lambda: {"waiting": 1, "running": 2, "started": 9, "succeeded": 5, "failed": 1}  # type: ignore[method-assign]
        assert part.ended() == {"succeeded": 5, "failed": 1}
        told = [event async for event in limited(part.events.follow(0, {"node"}), 3)]
        assert [(event.kind, event.text) for event in told] == [
            ("node.health", f'{{"event": "node.health", "time": "09:00", "ok": true, "life": {life}}}') for life in (1, 2, 3)
        ]
        written = [event async for event in limited(part.events.follow(0, {"audit"}), 3)]
        assert {event.kind for event in written} == {"audit.written"}, "for those who may read it, and nobody else"
        await part.close()
        await part.close()

    played(story())


async def limited(stream: AsyncGenerator[Any, None], number: int) -> AsyncGenerator[Any, None]:
    for _ in range(number):
        yield await anext(stream)
    await stream.aclose()
