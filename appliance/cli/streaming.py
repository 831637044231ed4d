"""`appliance connect` and `serve`: streams between this terminal, or programs of this host, and services of peers."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import select
import shlex
import sys
from typing import Final

from appliance.api.units import parse_seconds
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode
from appliance.sdk import Client, Connection

ECHO: Final = "echo"
"""The service that needs nothing behind it."""
PIECE: Final = 1 << 16


def connect(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Standard input goes to the service, what it says to standard output."""
    return asyncio.run(_connect(arguments, terminal))


async def _connect(arguments: argparse.Namespace, terminal: Terminal) -> int:
    service = int(arguments.service) if arguments.service.isdigit() else arguments.service
    async with (
        Client() as client,
        await client.connect(
            arguments.peer, service, metadata=_metadata(arguments.metadata), deadline=_seconds(arguments.timeout)
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
    while piece := await _read_from(0):
        await connection.write(piece)
    await connection.close_write()


def serve(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Serve until Ctrl-C, or the node ends."""
    if not arguments.to and not arguments.run and arguments.service != ECHO:
        raise UsageError(
            f"what is behind service {arguments.service}?",
            hint="say --to HOST:PORT for a server of this host, or --run PROGRAM for a program a stream; `echo` needs neither",
        )
    return asyncio.run(_serve(arguments, terminal))


async def _serve(arguments: argparse.Namespace, terminal: Terminal) -> int:
    async with Client() as client, await client.listen(arguments.service) as listener, asyncio.TaskGroup() as tasks:
        terminal.line({"serving": arguments.service}, f"serving {arguments.service}; end with Ctrl-C")
        async for connection in listener:
            tasks.create_task(_served(connection, arguments, terminal))
    return ExitCode.OK


async def _served(connection: Connection, arguments: argparse.Namespace, terminal: Terminal) -> None:
    try:
        async with connection:
            if arguments.to:
                await _forward(connection, arguments.to)
            elif arguments.run:
                await _run(connection, arguments.run)
            else:
                while piece := await connection.read(PIECE):
                    await connection.write(piece)
    except (ApplianceError, OSError) as error:
        terminal.note(f"{connection.peer or 'this host'}: {error}")


async def _forward(connection: Connection, to: str) -> None:
    host, _, port = to.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))

    async def there() -> None:
        while piece := await connection.read(PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    async def back() -> None:
        while piece := await reader.read(PIECE):
            await connection.write(piece)
        await connection.close_write()

    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(there())
            both.create_task(back())
    except* (ApplianceError, OSError) as errors:
        raise errors.exceptions[0] from None
    finally:
        writer.close()


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


def _seconds(text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}", hint="for example --timeout 10s") from None


def _metadata(text: str | None) -> dict[str, str]:
    found = {}
    for pair in filter(None, (text or "").split(",")):
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"metadata {pair!r} is not NAME=TEXT", hint="for example --metadata user=ada,color=red")
        found[name] = value
    return found


async def _read_from(descriptor: int) -> bytes:
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
