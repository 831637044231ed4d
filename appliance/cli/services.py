"""`appliance service …` and `health`: what members of the network offer, and how this node is."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from appliance.cli.streaming import Told, handler, metadata_of
from appliance.cli.terminal import Terminal, table
from appliance.control import client
from appliance.control.messages import Item
from appliance.errors import ExitCode
from appliance.sdk import Client, Connection
from appliance.sdk.offering import Offering
from appliance.sdk.sockets import address_of, made


def list_services(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print who offers what."""
    answer: list[dict[str, Any]] = client.call("services", _wanted(arguments))
    terminal.result(answer, "" if terminal.json else services_text(answer))
    return ExitCode.OK


def watch_services(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print it again whenever it has changed, until Ctrl-C."""
    for message in client.stream("services", _wanted(arguments) | {"watch": True}):
        if isinstance(message, Item):
            terminal.clear()
            terminal.line(message.item, "" if terminal.json else services_text(message.item))
    return ExitCode.OK


def services_text(answer: Sequence[Mapping[str, Any]]) -> str:
    """A line for each instance."""
    if not answer:
        return "nothing is offered that this node knows of"
    return table(("service", "node", "health", "load", "member", "metadata"), [_row(each) for each in answer])


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    reached = "this host" if each["own"] else "connected" if each["connected"] else "not connected"
    standing = "" if each["standing"] == "alive" else f"; {each['standing']}"
    metadata = ",".join(f"{name}={text}" for name, text in sorted(each["metadata"].items()))
    return each["service"], each["node"], each["health"], f"{each['load']} %", reached + standing, metadata or "-"


def _wanted(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"service": arguments.service} if arguments.service else {}


def register(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Serve and offer until Ctrl-C."""
    handle = handler(arguments)
    return asyncio.run(_register(arguments, terminal, handle))


async def _register(arguments: argparse.Namespace, terminal: Terminal, handle: Callable[[Connection], Awaitable[None]]) -> int:
    check = _check(arguments.check, address_of(arguments.to) if arguments.to else None)
    metadata = metadata_of(arguments.metadata)
    async with Client() as asking:
        service = asking.service(arguments.service)

        async def offered() -> Offering:
            offering = await service.register(health=check, metadata=metadata)
            state = "" if offering.passing else ", which fails its check now"
            said = {"offering": arguments.service, "passing": offering.passing}
            terminal.line(said, f"offering {arguments.service}{state}; end with Ctrl-C")
            return offering

        told = Told(terminal, {}, "").all | {"begun": None}
        await asking.serve(arguments.service, handle, listen=offered, **told)
    return ExitCode.OK


def _check(command: str | None, to: tuple[str, int] | None) -> Callable[[], Awaitable[bool]] | None:
    """What says whether the service works: a command, or else whether the server behind it takes connections."""
    if command:
        return lambda: _succeeds(command)
    return None if to is None else lambda: _listens(to)


async def _succeeds(command: str) -> bool:
    running = await asyncio.create_subprocess_exec(
        *shlex.split(command), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        return await running.wait() == 0
    finally:
        if running.returncode is None:  # it took too long
            running.kill()
            await running.wait()


async def _listens(to: tuple[str, int]) -> bool:
    with made(to, socket.SOCK_STREAM) as probe:
        await asyncio.get_running_loop().sock_connect(probe, to)
    return True


def health(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """Print how the node is."""
    answer: dict[str, Any] = client.call("health")
    problems = [f"{part}: {problem}" for part, problem in sorted(answer["problems"].items())]
    text = "ok" if answer["ok"] else "\n".join(problems)
    terminal.result(answer, text if answer["ready"] else f"{text}\nnot ready: it starts, or stops")
    return ExitCode.OK if answer["ok"] and answer["ready"] else ExitCode.DEGRADED
