"""Spans on their way to a collector that may be slow, down or full of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event

import pytest

from appliance.api_server.tracing import sending as module
from appliance.api_server.tracing.sending import BATCH, MOST_WAITING, Sending
from appliance.management.tracing.span import Kind, Process, Span

SPAN = Span("a" * 32, "b" * 16, "", "GET", Kind.SERVER, Process.API, 0.0, 1.0, "", {})


class Taker:
    """Takes spans while it may go on."""

    def __init__(self) -> None:
        self.go_on, self.asked = Event(), Event()
        self.why = ""
        self.batches: list[int] = []

    def send(self, spans: Sequence[Span]) -> str:
        self.asked.set()
        assert self.go_on.wait(60)
        self.batches.append(len(spans))
        return self.why

    def hurry(self) -> None:
        self.go_on.set()


@pytest.fixture
def taker() -> Taker:
    return Taker()


async def test_what_was_put_is_sent_before_the_end(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_SECONDS", 60.0)
    sending = Sending(taker)
    taker.go_on.set()
    for _ in range(BATCH + 1):
        sending.put(SPAN)
    await sending.close()
    assert sum(taker.batches) == BATCH + 1
    assert max(taker.batches) <= BATCH
    assert sending.shown() == {"sent": BATCH + 1, "dropped": {}, "waiting": 0, "problem": ""}


async def test_a_collector_that_hangs_costs_nothing_but_the_spans_for_which_there_is_no_room(
    taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST_SECONDS", 0.01)
    sending = Sending(taker)
    sending.put(SPAN)
    assert await asyncio.to_thread(taker.asked.wait, 60)
    for _ in range(MOST_WAITING + 10):
        sending.put(SPAN)
    assert sending.shown()["dropped"] == {"full": 10}
    assert sending.shown()["waiting"] == MOST_WAITING
    await sending.close()  # which waits for it no longer than it said


async def test_why_nothing_is_taken_is_told_until_something_is(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_SECONDS", 60.0)
    monkeypatch.setattr(module, "EVERY", 0.0)
    taker.go_on.set()
    taker.why = "it answers 503"
    sending = Sending(taker)
    sending.put(SPAN)
    await until(lambda: sending.shown()["problem"])
    assert sending.shown() == {"sent": 0, "dropped": {"not-taken": 1}, "waiting": 0, "problem": "it answers 503"}
    taker.why = ""
    sending.put(SPAN)
    await until(lambda: not sending.shown()["problem"])
    assert sending.shown()["sent"] == 1
    await sending.close()


async def until(so: object) -> None:
    assert callable(so)
    async with asyncio.timeout(60):
        while not so():  # noqa: ASYNC110  the thread tells nobody
            await asyncio.sleep(0.01)
