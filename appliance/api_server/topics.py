"""Answers the row by which users follow topics: the node is asked once for each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from appliance.api_server.answering import Call, Handler
from appliance.api_server.jobs.streaming import Streams
from appliance.api_server.plugins.operations import Follow, steps


class TopicStreams:
    """`handlers` are by the names of rows. `still`: is who asked still who he was, with the same rights?"""

    def __init__(self, follow: Follow, still: Callable[[Call], Awaitable[bool]]) -> None:
        self._follow = follow
        self._still = still
        self._streams = Streams()
        self.handlers: Final[dict[str, Handler]] = {"topics.follow": self._stream}

    async def _stream(self, call: Call) -> Response:
        items = self._follow("subscribe", {"topics": call.arguments.topics}, call.caller.on_behalf(call.id))
        return self._streams.answer(call.caller.name, steps(items, _event), partial(self._still, call))


def _event(item: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return item["event"], item
