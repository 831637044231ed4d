"""What callers ask the log, and what it takes from others."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.control.conversation import Request
from appliance.errors import MissingPrivilege
from appliance.management.audit.entry import Entry, Outcome
from appliance.runtime.audit import questions
from appliance.runtime.audit.log import AuditLog
from appliance.runtime.audit.questions import ADDED_AT_ONCE, Additions, TooManyEntries, show
from appliance.runtime.audit.segment_writer import Keep, SegmentWriter
from appliance.runtime.plugins.routes import BadArguments

SERVER = Principal("api-server", "api-server")
LOGIN = {"what": "user.login", "outcome": "denied", "who": {"kind": "api", "name": "eve"}, "reason": "password", "times": 3}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[AuditLog]:
    log = AuditLog(SegmentWriter(folder, "llp1:node", Keep(1 << 30, 1e9), os.urandom))
    await log.open()
    try:
        yield log
    finally:
        await log.close()


async def add(log: AuditLog, additions: Additions, *entries: Any) -> Any:
    return await additions.add(log, Request(SERVER, {"entries": list(entries)}))


async def test_what_was_noted_a_moment_ago_is_shown(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as log:
        for number in range(5):
            log.note(Entry(f"e{number}", Outcome.DONE))
        page = await show(log, tmp_path / "a", {"order": "newest", "limit": 2})
        assert ([entry["what"] for entry in page["entries"]], page["before"]) == (["e4", "e3"], 4)
        page = await show(log, tmp_path / "a", {"after": 3})
        assert ([entry["what"] for entry in page["entries"]], page["after"]) == (["e3", "e4"], 5)


@pytest.mark.parametrize(
    "args", [{"limit": 0}, {"after": -1}, {"after": "1"}, {"order": "x"}, {"who": 3}, {"since": []}, {"x": 1}]
)
async def test_wrong_arguments_are_said(tmp_path: Path, args: dict[str, Any]) -> None:
    async with opened(tmp_path / "a") as log:
        with pytest.raises(BadArguments):
            await show(log, tmp_path / "a", args)


async def test_what_others_add_is_their_word(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as log:
        assert await add(log, Additions(), LOGIN) == {"added": 1}
        (entry,) = (await show(log, tmp_path / "a", {}))["entries"]
    assert entry["who"] == {"kind": "api", "name": "eve"}
    assert entry["told_by"] == {"kind": "api-server", "name": "api-server"}
    assert (entry["what"], entry["outcome"], entry["reason"], entry["times"]) == ("user.login", "denied", "password", 3)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        3,
        LOGIN | {"what": "log.retention"},
        LOGIN | {"what": "node.stopped"},
        LOGIN | {"what": "user.Login"},
        LOGIN | {"outcome": "good"},
        LOGIN | {"who": {"kind": "api"}},
        LOGIN | {"who": {"kind": "local", "name": "root"}},
        LOGIN | {"who": {"kind": "api", "name": "eve", "roles": [1]}},
        LOGIN | {"more": {"a": {}}},
        LOGIN | {"more": {"a": True}},
        LOGIN | {"target": 3},
        LOGIN | {"times": -1},
    ],
)
async def test_what_others_may_not_say(tmp_path: Path, entry: Any) -> None:
    async with opened(tmp_path / "a") as log:
        with pytest.raises(BadArguments):
            await add(log, Additions(), LOGIN, entry)
        assert (await show(log, tmp_path / "a", {}))["entries"] == []


async def test_a_flood_of_others_pushes_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "ADDED_PER_SECOND", 0.0)
    additions = Additions()
    async with opened(tmp_path / "a") as log:
        for _ in range(ADDED_AT_ONCE // 100):
            await add(log, additions, *[LOGIN] * 100)
        for _ in range(3):
            with pytest.raises(TooManyEntries) as refused:
                await add(log, additions, *[LOGIN] * 100)
        assert refused.value.retryable
        page = await show(log, tmp_path / "a", {"what": "audit"})
    (entry,) = page["entries"]
    assert (entry["what"], entry["outcome"], entry["times"]) == ("audit.add", "denied", 100)


async def test_nobody_else_adds_anything(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as log:
        for who in (Principal("local", "root", 0), Principal("api", "alice", roles=("admin",))):
            with pytest.raises(MissingPrivilege):
                await Additions().add(log, Request(who, {"entries": [LOGIN]}))


@pytest.mark.parametrize("entries", [None, [], [LOGIN] * 101, "x"])
async def test_how_many_at_a_time(tmp_path: Path, entries: Any) -> None:
    async with opened(tmp_path / "a") as log:
        with pytest.raises(BadArguments):
            await Additions().add(log, Request(SERVER, {"entries": entries}))
