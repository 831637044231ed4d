"""`appliance connect` and `serve`: streams between this terminal, or programs of this host, and services of peers."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import select
import shlex
import socket
import sys
from typing import Final

from appliance.api.units import parse_seconds
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode
from appliance.sdk import Client, Connection, Datagrams
from appliance.sdk.flows import exchange
from appliance.sdk.sockets import address_of, made
from appliance.sdk.splicing import splice

ECHO: Final = "echo"
"""The service that needs nothing behind it."""
PIECE: Final = 1 << 16


def connect(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Standard input goes to the service, what it says to standard output."""
    return asyncio.run(_connect(arguments, terminal))


async def _connect(arguments: argparse.Namespace, terminal: Terminal) -> int:
    service = _service(arguments.service)
    async with (
        Client() as client,
        await client.connect(
            arguments.peer, service, metadata=metadata_of(arguments.metadata), deadline=seconds_of(arguments.timeout)
        ) as connection,
    ):
        if sys.stdin.isatty():
            terminal.note(f"connected with {connection.peer}, {service}; end with Ctrl-D")
        sending = asyncio.create_task(_send_input(connection))
        try:
            while piece := await connection.read(PIECE):
                await _written(1, piece)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return ExitCode.OK


async def _send_input(connection: Connection) -> None:
    while piece := await read_from(0):
        await connection.write(piece)
    await connection.close_write()


def serve(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Serve until Ctrl-C, or the node ends."""
    if not arguments.to and not arguments.run and arguments.service != ECHO:
        raise UsageError(
            f"what is behind service {arguments.service}?",
            hint="say --to HOST:PORT for a server of this host, or --run PROGRAM for a program a stream; `echo` needs neither",
        )
    if arguments.udp and not arguments.to:
        raise UsageError("datagrams go to a server of this host", hint="say --to HOST:PORT")
    to = address_of(arguments.to) if arguments.to else None
    return asyncio.run(_serve_datagrams(arguments, terminal, to) if arguments.udp and to else _serve(arguments, terminal, to))


async def _serve(arguments: argparse.Namespace, terminal: Terminal, to: tuple[str, int] | None) -> int:
    async with Client() as client, await client.listen(arguments.service) as listener, asyncio.TaskGroup() as tasks:
        terminal.line({"serving": arguments.service}, f"serving {arguments.service}; end with Ctrl-C")
        async for connection in listener:
            tasks.create_task(served(connection, to, arguments.run, terminal))
    return ExitCode.OK


async def served(connection: Connection, to: tuple[str, int] | None, program: str | None, terminal: Terminal) -> None:
    """Serve one stream: by a server of this host, by a program, or by sending all back."""
    try:
        async with connection:
            if to is not None:
                await _forward(connection, to)
            elif program is not None:
                await _run(connection, program)
            else:
                while piece := await connection.read(PIECE):
                    await connection.write(piece)
    except (ApplianceError, OSError) as error:
        terminal.note(f"{connection.peer or 'this host'}: {error}")


async def _forward(connection: Connection, to: tuple[str, int]) -> None:
    server = made(to, socket.SOCK_STREAM)
    try:
        await asyncio.get_running_loop().sock_connect(server, to)
    except OSError:
        server.close()
        connection.reset()
        raise
    await splice(connection.detach(), server)


async def _serve_datagrams(arguments: argparse.Namespace, terminal: Terminal, to: tuple[str, int]) -> int:
    async with Client() as client, await client.listen_datagrams(arguments.service) as listener, asyncio.TaskGroup() as tasks:
        terminal.line({"serving": arguments.service}, f"serving {arguments.service}; end with Ctrl-C")
        async for caller in listener:
            tasks.create_task(_exchange(caller, to))
    return ExitCode.OK


async def _exchange(caller: Datagrams, to: tuple[str, int]) -> None:
    """Carry datagrams both ways until neither said anything for a minute."""
    with made(to, socket.SOCK_DGRAM) as server:
        await asyncio.get_running_loop().sock_connect(server, to)
        async with caller, Datagrams(server, {}) as behind:
            with contextlib.suppress(ApplianceError):
                await exchange(caller, behind)


def tunnel(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Listen on a local port until Ctrl-C."""
    return asyncio.run(_tunnel(arguments, terminal))


async def _tunnel(arguments: argparse.Namespace, terminal: Terminal) -> int:
    service, local = _service(arguments.service), address_of(arguments.listen)
    failed = lambda error: terminal.note(f"{error.message}" + (f" ({error.hint})" if error.hint else ""))  # noqa: E731
    async with (
        Client() as client,
        client.tunnel(arguments.peer, service, local=local, datagrams=arguments.udp, failed=failed) as opened,
    ):
        host, port = opened.local_address
        said = {"listening": {"host": host, "port": port}, "peer": arguments.peer, "service": service, "udp": arguments.udp}
        kind = "udp" if arguments.udp else "tcp"
        terminal.line(said, f"{kind} {host}:{port} goes to {service} of {arguments.peer}; end with Ctrl-C")
        await asyncio.Event().wait()
    return ExitCode.OK


def proxy(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Be a proxy onto the overlay until Ctrl-C."""
    return asyncio.run(_proxy(arguments, terminal))


async def _proxy(arguments: argparse.Namespace, terminal: Terminal) -> int:
    async with Client() as client, client.proxy(local=address_of(arguments.listen)) as opened:
        host, port = opened.local_address
        said = {"listening": {"host": host, "port": port}}
        terminal.line(said, f"SOCKS5 and HTTP CONNECT onto the overlay at {host}:{port}; end with Ctrl-C")
        await asyncio.Event().wait()
    return ExitCode.OK


async def _run(connection: Connection, program: str) -> None:
    """The program has the stream as its standard input and output, as by inetd."""
    with connection.detach() as stream:
        stream.setblocking(True)
        running = await asyncio.create_subprocess_exec(*shlex.split(program), stdin=stream.fileno(), stdout=stream.fileno())
    try:
        await running.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.terminate()


def _service(text: str) -> str | int:
    """A service's name, or a port."""
    return int(text) if text.isascii() and text.isdecimal() else text


def seconds_of(text: str) -> float:
    """A duration that was typed. Raises UsageError."""
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}", hint="for example --timeout 10s") from None


def metadata_of(text: str | None) -> dict[str, str]:
    """NAME=TEXT pairs that were typed. Raises UsageError."""
    found = {}
    for pair in filter(None, (text or "").split(",")):
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"metadata {pair!r} is not NAME=TEXT", hint="for example --metadata user=ada,color=red")
        found[name] = value
    return found


async def read_from(descriptor: int) -> bytes:
    """What can be read there, as soon as there is something, whatever it is: a terminal, a pipe, a file."""
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    with contextlib.suppress(PermissionError):  # a file: there is always something, and epoll knows none
        loop.add_reader(descriptor, there.set)
        try:
            await there.wait()
        finally:
            loop.remove_reader(descriptor)
    return os.read(descriptor, PIECE)


async def _written(descriptor: int, data: bytes) -> None:
    """Write all of it. A pipe that can be written to takes so many bytes without waiting (pipe(7))."""
    loop, view = asyncio.get_running_loop(), memoryview(data)
    while view:
        room = asyncio.Event()
        with contextlib.suppress(PermissionError):
            loop.add_writer(descriptor, room.set)
            try:
                await room.wait()
            finally:
                loop.remove_writer(descriptor)
        view = view[os.write(descriptor, view[: select.PIPE_BUF]) :]
