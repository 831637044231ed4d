"""What callers do, as the log has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.control.conversation import Operation, Request
from appliance.errors import ProfileError
from appliance.management.audit.entry import Entry
from appliance.runtime.audit.log import NotRecorded
from appliance.runtime.audit.watching import Watching

ROOT, ALICE = Principal("local", "root", 0), Principal("api", "alice")


class Log:
    """Remembers; `full`: it takes nothing."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str]] = []
        self.often: list[Entry] = []
        self.full = False

    def note(self, entry: Entry) -> None:
        self.entries.append((entry.what, str(entry.outcome), entry.reason))

    def note_repeating(self, entry: Entry) -> None:
        self.often.append(entry)

    async def record(self, entry: Entry) -> None:
        if self.full:
            raise NotRecorded("the disk is full")
        self.note(entry)


class Node:
    """An operation of it, watched."""

    def __init__(self, permission: str = "node.change", *, ending: bool = False) -> None:
        self.log = Log()
        self.carried_out = 0
        self.began = asyncio.Event()
        watching = Watching(self.log, lambda: ending)  # type: ignore[arg-type]  # all that it uses
        self.deed = watching.watched("deed", Operation(permission, self._deed, whole=True))
        self.stream = watching.watched("stream", Operation(permission, self._stream))

    async def ask(self, who: Principal = ROOT, **args: Any) -> Any:
        return await self.deed.handler(Request(who, args))  # type: ignore[misc]  # it is no stream

    async def follow(self, who: Principal = ROOT) -> list[Any]:
        return [item async for item in self.stream.handler(Request(who, {}))]  # type: ignore[union-attr]

    async def _deed(self, request: Request) -> Any:
        self.carried_out += 1
        self.began.set()
        if request.args.get("wrong"):
            raise ProfileError("it is wrong")
        if request.args.get("for_ever"):
            await asyncio.Event().wait()
        return list(self.log.entries)

    async def _stream(self, _request: Request) -> AsyncGenerator[Any, None]:
        yield 1
        yield 2


async def test_a_change_is_recorded_before_it_begins_and_before_it_is_answered() -> None:
    node = Node()
    assert await node.ask() == [("deed", "allowed", "")]
    assert node.log.entries == [("deed", "allowed", ""), ("deed", "done", "")]


async def test_a_change_that_fails_says_why() -> None:
    node = Node()
    with pytest.raises(ProfileError):
        await node.ask(wrong=True)
    assert node.log.entries[-1] == ("deed", "failed", "ProfileError")


async def test_one_that_is_taken_back_is_recorded_too() -> None:
    node = Node()
    asking = asyncio.create_task(node.ask(for_ever=True))
    await node.began.wait()
    asking.cancel()
    await asyncio.wait([asking])
    assert node.log.entries[-1] == ("deed", "failed", "CancelledError")


async def test_reading_is_not_recorded_and_costs_nothing() -> None:
    node = Node("node.read")
    assert await node.ask() == []
    assert node.deed.handler == node._deed


async def test_while_nothing_can_be_recorded_root_goes_on_and_a_user_of_the_api_is_refused() -> None:
    node = Node()
    node.log.full = True
    await node.ask(ROOT)
    assert node.carried_out == 1
    with pytest.raises(NotRecorded):
        await node.ask(ALICE)
    assert node.carried_out == 1
    assert node.log.entries == [("deed", "failed", "NotRecorded")]
    with pytest.raises(NotRecorded):
        await node.follow(ALICE)


async def test_stopping_waits_for_no_disk() -> None:
    node = Node(ending=True)
    node.log.full = False
    await node.ask()
    assert node.log.entries[-1] == ("deed", "done", "")


async def test_streams_are_counted_and_nobody_waits() -> None:
    node = Node("stream.open")
    node.log.full = True
    await node.ask()
    assert await node.follow() == [1, 2]
    assert [(each.what, str(each.outcome)) for each in node.log.often] == [("deed", "done"), ("stream", "allowed")]


async def test_a_stream_of_changes_is_recorded_when_it_begins() -> None:
    node = Node()
    assert await node.follow() == [1, 2]
    assert node.log.entries == [("stream", "allowed", "")]


def test_who_may_not_is_recorded() -> None:
    log = Log()
    Watching(log, lambda: False).refused(Principal("local", "eve", 1000), "node.read", "status")  # type: ignore[arg-type]
    (entry,) = log.often
    assert (entry.what, str(entry.outcome), entry.who.uid, entry.permission) == ("status", "denied", 1000, "node.read")
