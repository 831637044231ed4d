"""`appliance mesh …`: groups of programs that send messages to each other."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing
from typing import Any

from appliance.cli.parser import seconds_of
from appliance.cli.streaming import read_from
from appliance.cli.terminal import Terminal, table
from appliance.control import client
from appliance.errors import ExitCode
from appliance.sdk import Client
from appliance.sdk.deadlines import within
from appliance.sdk.mesh import PREFIX, Mesh, MeshConfig

MOST_LINE = 1 << 16


def peers(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print which members are in it, without joining."""
    answer: list[dict[str, Any]] = client.call("services", {"service": f"{PREFIX}{arguments.name}"})
    found = [{"node": each["node"], "standing": each["standing"], "own": each["own"]} for each in answer]
    rows = [(each["node"], "this host" if each["own"] else each["standing"]) for each in found]
    terminal.result(found, table(("member", "standing"), rows) if rows else f"nobody is in mesh {arguments.name}")
    return ExitCode.OK


def chat(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Each line of standard input goes to all; what they say comes out."""
    return asyncio.run(_chat(arguments, terminal))


async def _chat(arguments: argparse.Namespace, terminal: Terminal) -> int:
    config = MeshConfig(peers=tuple(filter(None, (arguments.peers or "").split(","))))
    async with Client() as asking, asking.mesh(arguments.name, config) as mesh:
        hearing = asyncio.create_task(_hear(mesh, terminal))
        telling = asyncio.create_task(_tell_who_is_there(mesh, terminal))
        try:
            await _somebody(mesh, seconds_of(arguments.wait, "--wait"))
            await _say(mesh, terminal)
        finally:
            for task in (hearing, telling):
                task.cancel()
            await asyncio.gather(hearing, telling, return_exceptions=True)
    return ExitCode.OK


async def _somebody(mesh: Mesh, seconds: float) -> None:
    """For lines of a pipe there is no later: wait until there is somebody to hear them."""
    if sys.stdin.isatty():
        return
    async with within(seconds, f"nobody else is in mesh {mesh.name}: waiting"), aclosing(mesh.presence()) as presence:
        await anext(presence)


async def _say(mesh: Mesh, terminal: Terminal) -> None:
    unsaid = b""
    while piece := await read_from(0):
        *lines, unsaid = (unsaid + piece).split(b"\n")
        for line in lines:
            await _said(mesh, line, terminal)
        if len(unsaid) > MOST_LINE:
            await _said(mesh, unsaid, terminal)
            unsaid = b""
    if unsaid:
        await _said(mesh, unsaid, terminal)


async def _said(mesh: Mesh, line: bytes, terminal: Terminal) -> None:
    for peer, error in (await mesh.broadcast(line)).failed.items():
        terminal.note(f"{peer} did not get it: {error.message}")


async def _hear(mesh: Mesh, terminal: Terminal) -> None:
    async for peer, data in mesh:
        text = data.decode(errors="replace")
        shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
        terminal.line({"peer": peer, "text": text}, f"{peer}: {shown}")


async def _tell_who_is_there(mesh: Mesh, terminal: Terminal) -> None:
    async with aclosing(mesh.presence()) as presence:
        async for peer, here, why in presence:
            terminal.note(f"{peer} is there" if here else f"{peer} has gone: {why}")
