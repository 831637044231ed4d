"""`appliance publish`, `subscribe` and `topics`, at the real control socket of a node."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from rigs.village import Village, village

from appliance.cli import entry
from appliance.errors import ExitCode
from appliance.foundation import places
from appliance.knowledge.pubsub.message import MOST_DATA
from appliance.runtime.knowledge.readers import TURNS, Message


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Village]:
    async with village("ada") as made:
        monkeypatch.setattr(places, "control_addresses", lambda: (made["ada"].address,))
        yield made


async def ran(*words: str) -> int:
    """The command's exit code; the node goes on meanwhile."""
    return await asyncio.to_thread(entry.main, list(words))


def typed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False))


async def test_each_line_of_a_pipe_is_a_message(
    node: Village, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, b"one\n\nthree, without an end")
    with node["ada"].corner.reading("local 0", ["news"]) as messages:
        assert await ran("publish", "news", "--json") == ExitCode.OK
        assert [(await anext(messages)).data for _ in range(3)] == [b"one", b"", b"three, without an end"]
    assert [json.loads(line)["bytes"] for line in capsys.readouterr().out.splitlines()] == [3, 0, 21]


async def test_a_text_or_a_file_is_one_message(node: Village, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").write_bytes(b"two\nlines \xff")
    with node["ada"].corner.reading("local 0", ["news"]) as messages:
        assert await ran("publish", "news", "hello") == ExitCode.OK
        assert await ran("publish", "news", "--file", str(tmp_path / "data")) == ExitCode.OK
        assert [(await anext(messages)).data for _ in range(2)] == [b"hello", b"two\nlines \xff"]
    assert capsys.readouterr().out.splitlines() == ["published 5 bytes in news", "published 11 bytes in news"]
    assert await ran("publish", "news", "hello", "--file", "x") == ExitCode.INVALID


async def test_what_is_too_long_is_not_published_in_pieces(
    node: Village, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_bytes(bytes(MOST_DATA + 1))
    assert await ran("publish", "news", "--file", str(tmp_path / "data")) == ExitCode.INVALID
    typed(monkeypatch, b"x" * MOST_DATA + b"\n" + b"y" * (MOST_DATA + 1) + b"\nnever\n")
    assert await ran("publish", "news") == ExitCode.INVALID
    assert node["ada"].corner.published == 1
    assert "appliance send" in capsys.readouterr().err


async def test_a_pipe_is_slowed_down_and_loses_no_line(node: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    number = int(TURNS.at_once) + 5
    typed(monkeypatch, b"".join(b"%d\n" % each for each in range(number)))
    assert await ran("publish", "news") == ExitCode.OK
    assert node["ada"].corner.published == number


async def test_what_is_published_comes_a_line_each_until_so_many(node: Village, capsys: pytest.CaptureFixture[str]) -> None:
    corner = node["ada"].corner
    reading = asyncio.create_task(ran("subscribe", "news", "weather", "--count", "3"))
    await subscribed(node, "news", "weather")
    corner.publish("local 0", "news", b"hello \x1b[2J")
    corner.publish("local 0", "weather", b"\xff")
    corner.readers.put(Message("news", "", "llp1:gone", b"id", 0, b"left"))
    async with asyncio.timeout(60):
        assert await reading == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "news ada: hello \N{REPLACEMENT CHARACTER}[2J",
        "weather ada: 1 bytes that are no text (--json has them)",
        "news llp1:gone: left",
    ]
    await until(lambda: not len(corner.readers))


async def test_for_programs_each_is_an_object_and_the_end_is_told(node: Village, capsys: pytest.CaptureFixture[str]) -> None:
    reading = asyncio.create_task(ran("subscribe", "news", "--json"))
    await subscribed(node, "news")
    node["ada"].corner.publish("local 0", "news", b"\xff")
    await node["ada"].stop()
    async with asyncio.timeout(60):
        assert await reading == ExitCode.NO_DAEMON
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (base64.b64decode(first["data"]), first["text"], first["peer"]) == (b"\xff", None, "ada")
    assert last["ok"] is False


@pytest.mark.parametrize("count", ["0", "-1", "many", "١"])
async def test_a_count_is_a_number(node: Village, count: str) -> None:
    assert await ran("subscribe", "news", "--count", count) == ExitCode.INVALID


async def test_what_is_no_topic_is_refused_with_a_hint(node: Village, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ran("publish", "no spaces", "hello") == ExitCode.INVALID
    assert await ran("subscribe", "no spaces") == ExitCode.INVALID
    assert "64 letters" in capsys.readouterr().err


async def test_the_topics_of_this_host_are_a_table(node: Village, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ran("topics") == ExitCode.OK
    with node["ada"].corner.reading("local 0", ["news"]):
        assert await ran("topics") == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "no program of this host reads a topic",
        "TOPIC  READERS  MEMBERS  MESH",
        "news   1        2        one, two (-0.5)",
    ]


async def subscribed(node: Village, *topics: str) -> None:
    await until(lambda: set(node["ada"].corner.readers.topics()) == set(topics))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
