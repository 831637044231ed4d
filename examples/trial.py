"""Two nodes of one network on this machine, without root, for whoever wants to see an example run. Not what an example shows.

Each of the examples takes names of peers; without any it uses these two nodes, `left` and `right`, which are gone afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from appliance.sdk import Client
from appliance.sdk.own_node import OwnNode


@asynccontextmanager
async def trial() -> AsyncGenerator[tuple[str, str]]:
    """Makes a network with `left`, invites `right`, and gives the addresses of their control sockets. Nodes that run already are
    used instead if $TRIAL_NODES has their addresses, with a comma between."""
    if running := os.environ.get("TRIAL_NODES"):
        one, _, other = running.partition(",")
        yield one, other
        return
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            left, right = Path(folder, "left"), Path(folder, "right")
            await _appliance(left, "network", "new", "trial", "--name", "left", *_files(left))
            port = _listens_elsewhere(left)
            first = await stack.enter_async_context(_node(left))
            code = await _appliance(left, "network", "invite", "right", "--at", f"udp://127.0.0.1:{port}")
            await _appliance(right, "join", code["code"], *_files(right))
            _listens_elsewhere(right)
            await _told_where(right, first.address, port)
            second = await stack.enter_async_context(_node(right))
            for address in (first.address, second.address):
                await _meets(address)
            yield first.address, second.address


async def _told_where(folder: Path, other: str, port: int) -> None:
    """A code's address on the loopback is good for joining only: write it down."""
    async with Client(other) as client:
        identity = (await client.ask("status"))["identity"]
    with (folder / "profile.yaml").open("a") as profile:
        profile.write(f'  bootstrap: [{{identity: "{identity}", endpoints: ["udp://127.0.0.1:{port}"]}}]\n')


async def _meets(address: str) -> None:
    """Until that node has met the other one."""
    async with Client(address) as client, client.following("events") as events:
        async for _ in events:
            if any(peer.connected for peer in await client.peers()):
                return


def _files(folder: Path) -> tuple[str, ...]:
    return "--profile", str(folder / "profile.yaml"), "--identity", str(folder / "identity")


def _places(folder: Path) -> dict[str, str]:
    """Where this node keeps its things, instead of where a host's only node has them."""
    return {"STATE_DIRECTORY": str(folder / "kept"), "APPLIANCE_STATE_DIR": str(folder / "run")}


def _node(folder: Path) -> OwnNode:
    before = dict(os.environ)
    os.environ.update(_places(folder))
    try:
        return OwnNode(folder / "profile.yaml")
    finally:
        os.environ.clear()
        os.environ.update(before)


def _listens_elsewhere(folder: Path) -> int:
    """Two nodes of one host cannot have the same port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    profile = folder / "profile.yaml"
    profile.write_text(profile.read_text().replace("0.0.0.0:8443", f"127.0.0.1:{port}"))
    return port


async def _appliance(folder: Path, *words: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    command = (sys.executable, "-m", "appliance.cli", *words, "--json")
    ran = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ | _places(folder)
    )
    said, problem = await ran.communicate()
    if ran.returncode:
        raise SystemExit(problem.decode())
    found: dict[str, str] = json.loads(said)
    return found
