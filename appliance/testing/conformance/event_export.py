"""What every event export does: have each event there when `send` returns, in order, and say so when it has not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import pytest

from appliance.api.api_parts import ApiServices
from appliance.api.event_exports import EventExport, ExportedEvent, ExportKind
from appliance.testing.api_parts import FakeApiServices
from appliance.testing.conformance.kinds import KindConformance

Story = Callable[[EventExport], Awaitable[None]]


def event(number: int, kind: str = "node.health") -> ExportedEvent:
    """An event as it may come."""
    return ExportedEvent(number, kind, json.dumps({"id": number, "event": kind, "said": 'ünïcödé "\n'}).encode())


class EventExportConformance(KindConformance):
    """Subclass it, name the subclass Test…, return your kind and settings of another side that is there, and say what arrived."""

    noun = "export"
    needs = ""
    """What has to be there for these tests, if that is not so; then they only look at the shape."""

    def kind(self) -> ExportKind:
        """The kind to try."""
        raise NotImplementedError

    def services(self) -> ApiServices:
        """What it is opened with."""
        return FakeApiServices()

    async def arrived(self, number: int) -> Sequence[bytes]:
        """Wait until so many events have arrived at the other side since the test began, and return their documents in order."""
        raise NotImplementedError

    def told(self, story: Story) -> None:
        """Let something happen with an open export."""
        if self.needs:
            pytest.skip(f"it needs {self.needs}")

        async def tell() -> None:
            async with self.opened(self.services()) as export:
                await story(export)

        asyncio.run(tell())

    def test_events_arrive_in_order_as_they_are(self) -> None:
        async def story(export: EventExport) -> None:
            sent = [event(number, kind) for number, kind in enumerate(("node.health", "jobs.succeeded", "x", "a.b.c"), 1)]
            await export.send(sent[:1])
            await export.send(sent[1:])
            assert list(await self.arrived(len(sent))) == [each.document for each in sent]

        self.told(story)

    def test_a_hundred_events_arrive_at_once(self) -> None:
        async def story(export: EventExport) -> None:
            sent = [event(number) for number in range(1000, 1100)]
            await export.send(sent)
            assert list(await self.arrived(len(sent))) == [each.document for each in sent]

        self.told(story)
