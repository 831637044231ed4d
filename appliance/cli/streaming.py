"""`appliance connect` and `serve`: streams between this terminal, or programs of this host, and services of peers."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import select
import shlex
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from appliance.cli.parser import UsageError, seconds_of
from appliance.cli.terminal import Terminal
from appliance.errors import ExitCode
from appliance.sdk import Client, Connection, SDKError
from appliance.sdk.serving import datagram_server_behind, server_behind
from appliance.sdk.sockets import address_of

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
    """Serve until Ctrl-C."""
    if arguments.udp and not arguments.to:
        raise UsageError("datagrams go to a server of this host", hint="say --to HOST:PORT")
    handle = handler(arguments)
    return asyncio.run(_serve(arguments, terminal, handle))


def handler(arguments: argparse.Namespace) -> Callable[[Connection], Awaitable[None]]:
    """What is done with a stream: a server of this host, a program, or all is sent back. Raises UsageError, BadAddress."""
    if arguments.to:
        return server_behind(address_of(arguments.to))
    if arguments.run:
        return lambda connection: _run(connection, arguments.run)
    if arguments.service == ECHO:
        return _echo
    raise UsageError(
        f"what is behind service {arguments.service}?",
        hint="say --to HOST:PORT for a server of this host, or --run PROGRAM for a program a stream; `echo` needs neither",
    )


async def _serve(arguments: argparse.Namespace, terminal: Terminal, handle: Callable[[Connection], Awaitable[None]]) -> int:
    told = Told(terminal, {"serving": arguments.service}, f"serving {arguments.service}; end with Ctrl-C")
    async with Client() as client:
        if arguments.udp:
            behind = datagram_server_behind(address_of(arguments.to))
            await client.serve_datagrams(arguments.service, behind, **told.all)
        else:
            await client.serve(arguments.service, handle, **told.all)
    return ExitCode.OK


class Told:
    """What a person hears of a service while it is served."""

    def __init__(self, terminal: Terminal, said: dict[str, Any], text: str) -> None:
        self._terminal = terminal
        self._said = said
        self._text = text

    @property
    def all(self) -> dict[str, Any]:
        """For `Client.serve`."""
        return {"begun": self._begun, "interrupted": self._interrupted, "failed": self._failed}

    def _begun(self) -> None:
        self._terminal.line(self._said, self._text)

    def _interrupted(self, error: SDKError) -> None:
        self._terminal.note(f"not served for a while: {error.message}")

    def _failed(self, peer: str, error: Exception) -> None:
        self._terminal.note(f"{peer or 'this host'}: {error}")


async def _echo(connection: Connection) -> None:
    while piece := await connection.read(PIECE):
        await connection.write(piece)


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
