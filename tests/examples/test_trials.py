"""Each example does what its head says, on two nodes of one network that its user may start without root."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "echo_server": ["a stream from right", "left says b'hello'"],
    "simple_connection": ["left says 'hello from the other side'", "26 bytes there, 26 back"],
    "tunnel": ["a page of left", "bytes came through the tunnel"],
    "mesh_chat": ["left hears: hello from right", "right hears: hello from left"],
    "topics": ["right reads: left: the first", "right reads: left: the second"],
    "service_discovery": ["clock: left", "left says: it is 1", "clock: nobody"],
    "file_transfer": ["left has 2 files, 10240011 bytes", "the same bytes"],
    "monitoring": ["health: good", "peer left: connected, direct", "event: health running"],
}

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]


@contextmanager
def trial() -> Iterator[str]:
    """The nodes of the examples, once for all of them: their addresses."""
    program = "import asyncio, sys, trial\nasync def main():\n async with trial.trial() as nodes:\n"
    program += "  print(*nodes, sep=',', flush=True)\n  await asyncio.to_thread(sys.stdin.read)\nasyncio.run(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=EXAMPLES, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        nodes = running.stdout.readline().strip()
        assert nodes, "two nodes run"
        try:
            yield nodes
        finally:
            running.stdin.close()
            assert running.wait(60) == 0


async def said(example: str, nodes: str) -> str:
    """What an example prints."""
    command = [sys.executable, str(EXAMPLES / f"{example}.py"), "trial"]
    ran = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"TRIAL_NODES": nodes, "PYTHONUNBUFFERED": "1"},
    )
    output, _ = await asyncio.wait_for(ran.communicate(), 120)
    assert ran.returncode == 0, output.decode()
    return output.decode()


async def test_every_example_does_what_it_says() -> None:
    with trial() as nodes:
        for example, lines in SAYS.items():
            output = await said(example, nodes)
            assert not [line for line in lines if line not in output], f"{example}: {output}"


@pytest.mark.parametrize("example", SAYS)
def test_an_example_is_short_and_begins_with_its_commands(example: str) -> None:
    text = (EXAMPLES / f"{example}.py").read_text()
    head = ast.get_docstring(ast.parse(text)) or ""
    assert f"python examples/{example}.py trial" in head
    assert len(text.splitlines()) < 120


def test_a_day_of_management() -> None:
    ran = subprocess.run(
        [sys.executable, "management.py", "trial"],
        cwd=EXAMPLES,
        stdin=subprocess.DEVNULL,  # it does not wait for Enter
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for line in (
        "first user: alice with the roles admin",
        "job: state succeeded",
        "review: peers.0.keepalive: 20s -> 10s",
        "review: applied after alice: approve, bob: apply, bob: applied,",
    ):
        assert line in ran.stdout.splitlines(), ran.stdout
    assert "dashboard: http://127.0.0.1:" in ran.stdout
