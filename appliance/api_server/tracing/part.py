"""Tracing as a part of the API server, where the profile has `management.tracing`: spans of both processes come together here,
are remembered for a while, and go to the collector if there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from appliance.api.profile_management import ManagementTracing
from appliance.api_server.tracing.sending import Sending
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.entropy import random_bytes
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.management.tracing.recent import Recent
from appliance.management.tracing.span import Clocks, Process, Recorder, Span

if TYPE_CHECKING:
    from appliance.api_server.tracing.otlp import OtlpCollector

log = get_logger("tracing")

AGAIN_SECONDS: Final = 1.0
"""Until the node's spans are asked for again, after they ended."""
TELL_EVERY: Final = 5.0
"""Seconds between two looks whether the node has to be told how sending goes."""
LOOK_EVERY: Final = 60.0
"""Seconds between two looks at what is needed to send: the token, and what was missing."""
NO_LIBRARY: Final = "the extra `otel` is not installed: pip install 'appliance[otel]'"


class Joints(NamedTuple):
    """What tracing needs of the connection to the node. All raise ApplianceError."""

    follow: Callable[[], AsyncGenerator[Mapping[str, Any], None]]
    """The node's spans: its operation `api_spans`."""
    headers: Callable[[], Awaitable[Mapping[str, str]]]
    """For the collector: its operation `api_tracing_headers`."""
    tell: Callable[[Mapping[str, Any]], Awaitable[Any]]
    """Tells it how sending goes: its operation `api_tracing`."""


class TracingPart:
    """`about`: attributes of the resource that all spans are of."""

    def __init__(self, tracing: ManagementTracing, joints: Joints, about: Mapping[str, str]) -> None:
        self._tracing = tracing
        self._joints = joints
        self._about = about
        self._tasks = Tasks()
        self._collector: OtlpCollector | None = None
        self._sending: Sending | None = None
        self._headers: Mapping[str, str] = {}
        self._problem = ""
        self._lost = 0
        """Spans of the node that had no place there."""
        self.recent = Recent()
        self.recorder = Recorder(
            Process.API, self._keep, Clocks(clock.wall, clock.monotonic, random_bytes), sample=tracing.sample
        )

    async def open(self) -> None:
        """Begin. What keeps spans from being sent keeps nothing else from working."""
        if self._tracing.otlp is not None:
            await self._look(self._tracing.otlp)
            self._tasks.spawn(self._look_again(self._tracing.otlp), "the collector")
        self._tasks.spawn(self._hear_the_node(), "spans of the node")
        self._tasks.spawn(self._tell(), "tell how sending goes")

    async def close(self) -> None:
        """End, and send the last ones."""
        await self._tasks.close()
        if self._sending is not None:
            await self._sending.close()

    def shown(self) -> dict[str, Any]:
        """JSON-able."""
        sending: dict[str, Any] = (
            {"sent": 0, "dropped": {}, "waiting": 0, "problem": ""} if self._sending is None else self._sending.shown()
        )
        dropped = {"node": self._lost, "trace": self.recent.dropped, **sending["dropped"]}
        return {
            "sample": self.recorder.sample,
            "collector": self._tracing.otlp or "",
            **sending,
            "dropped": {reason: number for reason, number in sorted(dropped.items()) if number},
            "problem": self._problem or sending["problem"],
        }

    async def _look_again(self, url: str) -> None:
        """A token that is replaced, and a file that is mended, are in use within a minute."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self._look(url)

    async def _look(self, url: str) -> None:
        before, self._problem = self._problem, ""
        try:
            headers = await self._joints.headers()
            if self._collector is None:
                self._collector = self._made(url, headers)
                self._sending = Sending(self._collector)
            elif headers != self._headers:
                self._collector.use_headers(headers)
                log.info("the collector's token is another one")
            self._headers = headers
        except ImportError:
            self._problem = NO_LIBRARY
        except (ApplianceError, OSError) as error:
            self._problem = error.message if isinstance(error, ApplianceError) else str(error) or "the node does not answer"
        if self._problem not in {"", before}:
            log.error("what is needed to send traces is not there", reason=self._problem)

    def _made(self, url: str, headers: Mapping[str, str]) -> OtlpCollector:
        from appliance.api_server.tracing.otlp import OtlpCollector

        tracing = self._tracing
        return OtlpCollector(url, headers, tracing.authorities, self._about)

    def _keep(self, span: Span) -> None:
        self.recent.add(span)
        if self._sending is not None:
            self._sending.put(span)

    async def _hear_the_node(self) -> None:
        while True:
            try:
                async with aclosing(self._joints.follow()) as items:
                    async for item in items:
                        self._lost += item["dropped"]
                        for values in item["spans"]:
                            self._keep(Span.of(values))
            except ApplianceError as error:
                log.info("the node's spans ended", reason=error.message)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _tell(self) -> None:
        told: object = None
        while True:
            if (now := self.shown()) != told:
                try:
                    await self._joints.tell(now)
                    told = now
                except ApplianceError as error:
                    log.info("the node was not told how sending traces goes", reason=error.message)
            await asyncio.sleep(TELL_EVERY)
