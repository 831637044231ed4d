"""Topics of three real nodes: a message reaches all, programs wait through a restart, and a profile switches them off and on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from appliance.errors import ExitCode
from appliance.lab import deeds, probing
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.script import StepEntry

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

LAB = {
    "lab": 1,
    "name": "topics",
    "links": [{"name": "wan", "hosts": ["ann", "ben", "cyd"], "ipv4": "198.51.100.0/24"}],
    "mesh": {"label": "home", "founder": "ann"},
    "hosts": {"ann": {}, "ben": {}, "cyd": {}},
    "steps": [
        {"probe": "topic", "from": "ben", "count": 3},
        {"do": "kill", "host": "cyd"},
        {"probe": "topic", "from": "ann", "count": 1},
    ],
}
READS = """
import asyncio
from appliance.sdk import Client, SDKError

async def main():
    async with Client() as client, client.topic("news") as topic:
        print("reading", flush=True)
        try:
            async for message in topic:
                print(message.peer, message.data.decode(), topic.interrupted, flush=True)
        except SDKError as error:
            print(error.message, flush=True)

asyncio.run(main())
"""


@asynccontextmanager
async def reader(host: Host) -> AsyncIterator[asyncio.StreamReader]:
    """A program of that host which reads `news`: what it prints."""
    running = await asyncio.create_subprocess_exec(
        *host.enter([sys.executable, "-c", READS]), stdout=asyncio.subprocess.PIPE, env=host.environ()
    )
    assert running.stdout is not None
    try:
        assert await line(running.stdout) == "reading"
        yield running.stdout
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def line(printed: asyncio.StreamReader) -> str:
    async with asyncio.timeout(60):
        return (await printed.readline()).decode().strip()


async def line_with(printed: asyncio.StreamReader, text: str) -> str:
    """The next line that has it: what was said several times before may still come."""
    while text not in (found := await line(printed)):
        assert found, "the reader has ended"
    return found


async def until_heard(host: Host, printed: asyncio.StreamReader, text: str) -> str:
    """Publish there again and again, until a reader elsewhere that came a moment ago has it."""
    heard = asyncio.create_task(line_with(printed, text))
    while not heard.done():
        (await host.appliance("publish", "news", text)).must_work()
        await asyncio.wait([heard], timeout=0.5)
    return heard.result()


async def test_topics_of_real_nodes() -> None:
    async with Lab(LabFile.model_validate(LAB)) as lab:
        ann, ben = lab.host("ann"), lab.host("ben")
        async with reader(ann) as printed:
            assert await until_heard(ben, printed, "hello") == "ben hello 0"
            told = json.loads((await ann.appliance("topics", "--json")).must_work().out)
            assert [(each["topic"], each["readers"]) for each in told] == [("news", 1)]

            await ann.restart()
            heard = await until_heard(ben, printed, "again")
            assert heard == "ben again 1", "the program went on reading when its node was back"

            before = ann.profile.read_text()
            ann.profile.write_text(before.replace("mesh:\n", "mesh:\n  topics: false\n"))
            (await ann.appliance("apply")).must_work()
            while (heard := await line(printed)).startswith("ben "):
                pass
            assert heard == "this node has no topics any more"
        assert (await ann.appliance("publish", "news", "x")).code == ExitCode.FAILURE
        ann.profile.write_text(before)
        (await ann.appliance("apply")).must_work()
        async with reader(ann) as printed:
            assert await until_heard(ben, printed, "back") == "ben back 0"

        for step in lab.definition.steps:
            await play(lab, step)
    assert lab.left_behind == []


async def play(lab: Lab, step: StepEntry) -> None:
    if step.do is not None:
        await deeds.do(lab, step)
        return
    for asked in probing.asked_by(lab.definition, step.as_probe()):
        result = await probing.ask(lab, asked)
        assert result.ok, result.detail
