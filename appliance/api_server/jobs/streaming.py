"""Streams of events as answers of HTTP: bounded in number and in time, and ended with their reader.

A stream ends after ten minutes, or when its caller may no longer what he could, and the client connects again with its cursor.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from appliance.errors import ApplianceError, ExitCode
from appliance.management.jobs.events import Beat, Event, Stale
from appliance.management.jobs.sse import cursor_of, sse_of

OF_A_USER: Final = 128
IN_ALL: Final = 512
"""Streams that are open."""
MOST_SECONDS: Final = 600.0
RETRY: Final = "retry: 2000\n\n"
"""Milliseconds after which a browser connects again."""
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""The second one is for nginx, which would keep events until it has 4 KiB."""

JUDGE_EVERY: Final = 30.0
"""Seconds after which it is looked at anew whether the caller still may."""

Steps = AsyncGenerator[Event | Stale | Beat, None]
Still = Callable[[], Awaitable[bool]]
"""Is the caller who he was, with the same rights?"""


class TooManyStreams(ApplianceError):
    """As many streams are open as may be, in all or of this user."""

    exit_code = ExitCode.RETRY
    retryable = True


def cursor_in(request: Request, after: str | None) -> int | None:
    """The cursor that came with a request. The header, which a browser sends when it connects again, wins. Raises
    CursorInvalid."""
    header = request.headers.get("last-event-id")
    return cursor_of(after if header is None else header)


class Streams:
    """All open streams."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._open.total()

    def answer(self, user: str, steps: Steps, still: Still) -> EventStream:
        """A stream for this user, as long as he `still` may. Raises TooManyStreams."""
        if self._open[user] >= OF_A_USER or len(self) >= IN_ALL:
            raise TooManyStreams("too many streams are open", hint="close some, or follow several topics by one stream")
        self._open[user] += 1
        return EventStream(_while(steps, still), self._open, user)


class EventStream(StreamingResponse):
    """One stream as an answer. `steps` are closed with it, however it ends."""

    def __init__(self, steps: Steps, opened: Counter[str], user: str) -> None:
        super().__init__(_lines(steps), headers=_HEADERS, media_type="text/event-stream")
        self._steps = steps
        self._opened = opened
        self._user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Starlette does it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._opened -= Counter((self._user,))
            await self._steps.aclose()


async def _while(steps: Steps, still: Still) -> Steps:
    now = asyncio.get_running_loop().time
    judged = now()
    async with aclosing(steps):
        async for step in steps:
            if now() - judged >= JUDGE_EVERY:
                if not await still():
                    return
                judged = now()
            yield step


async def _lines(steps: Steps) -> AsyncIterator[str]:
    now = asyncio.get_running_loop().time
    until = now() + MOST_SECONDS
    yield RETRY
    async for step in steps:
        yield sse_of(step)
        if now() >= until:
            return
