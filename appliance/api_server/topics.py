"""Answers the row by which users follow topics: the node is asked once for each of them.

What comes is taken from the node at once, whether its reader takes it or not, since all streams share one conversation with the
node. What waits for a reader is bounded; the oldest is lost, and an event says how many those were.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from appliance.api_server.answering import Call, Handler
from appliance.api_server.jobs.streaming import Steps, Streams
from appliance.api_server.plugins.operations import Follow
from appliance.control.feed import Missed, Waiting
from appliance.errors import ApplianceError
from appliance.management.jobs.events import HEARTBEAT, Beat, Event

MOST_WAITING: Final = 256
MOST_WAITING_CHARACTERS: Final = 1 << 17
"""Events that wait for one reader, as JSON. A node lets 256 read: 32 MiB in all."""


class TopicStreams:
    """`handlers` are by the names of rows. `still`: is who asked still who he was, with the same rights?"""

    def __init__(self, follow: Follow, still: Callable[[Call], Awaitable[bool]]) -> None:
        self._follow = follow
        self._still = still
        self._streams = Streams()
        self.handlers: Final[dict[str, Handler]] = {"topics.follow": self._stream}

    async def _stream(self, call: Call) -> Response:
        items = self._follow("subscribe", {"topics": call.arguments.topics}, call.caller.on_behalf(call.id))
        return self._streams.answer(call.caller.name, steps(items), partial(self._still, call))


async def steps(items: AsyncGenerator[Any, None]) -> Steps:
    """Items of the node as events, with a beat where there is none for long. What the stream fails with is its last event."""
    waiting = Waiting(MOST_WAITING, MOST_WAITING_CHARACTERS)
    taking = asyncio.get_running_loop().create_task(_take(items, waiting))
    number, kind = 0, ""
    try:
        while kind not in {"failed", "end"}:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    found = await waiting.take()
            except TimeoutError:
                yield Beat(number)
                continue
            kind, text = _written({"event": "missed", "number": found.number}) if isinstance(found, Missed) else found
            if kind != "end":
                number += 1
                yield Event(number, kind, text)
    finally:
        taking.cancel()
        with suppress(asyncio.CancelledError):
            await taking


async def _take(items: AsyncGenerator[Any, None], waiting: Waiting) -> None:
    try:
        async with aclosing(items):
            async for item in items:
                _put(waiting, item)
    except ApplianceError as error:
        _put(waiting, {"event": "failed", "code": error.code, "message": error.message, "hint": error.hint})
    else:
        _put(waiting, {"event": "end"})


def _put(waiting: Waiting, item: Mapping[str, Any]) -> None:
    kind, text = _written(item)
    waiting.put((kind, text), len(text))


def _written(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["event"], json.dumps(item, ensure_ascii=False)
