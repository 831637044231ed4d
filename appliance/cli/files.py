"""`appliance send` and `receive`: files and folders between this host and peers."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

from appliance.cli.terminal import Terminal, bytes_text
from appliance.cli.transfer_display import Display, Screen
from appliance.errors import ApplianceError, ExitCode
from appliance.files.delivery import Delivery
from appliance.files.inbox import Inbox, folder_name
from appliance.files.receiving import Received, refuse
from appliance.files.sending import Sent
from appliance.files.source import Source
from appliance.sdk import AccessDenied, Client, Connection, NodeGone, SDKError, ServiceNotFound, ServiceTaken
from appliance.transfer.faults import Reason

SERVICE: Final = "files"
PAUSE_SECONDS: Final = 0.5
"""Between two attempts to reach this host's node again."""
FIRST_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 2.0
"""What the first attempt to reach the peer may take, and each further one."""
THREADS: Final = 24
"""Transfers and refusals at a time. What comes beyond is closed without a word."""
MOST_OF_ONE: Final = 8
"""Of one peer: the others find places, however many streams he opens."""
SHOWN: Final = 5
"""Names of one kind that are listed for people."""


def send(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Send until all is there, nothing moves any more, or Ctrl-C."""
    source = Source([Path(path) for path in arguments.paths])
    source.look()
    try:
        return asyncio.run(_send(source, arguments.peer, terminal))
    except KeyboardInterrupt:
        terminal.note("stopped; what arrived is kept, and the same command goes on from there")
        raise


async def _send(source: Source, peer: str, terminal: Terminal) -> int:
    async with Client() as client:
        deadlines = chain([FIRST_SECONDS], repeat(AGAIN_SECONDS))

        async def dial() -> socket.socket:
            try:
                return (await client.connect(peer, SERVICE, deadline=next(deadlines))).detach()
            except ServiceNotFound as error:
                error.hint = "there, run: appliance receive"
                raise

        with Display(Screen(terminal), {"to": peer}) as display:
            sent = await display.while_shown(Delivery(source, dial, display.moved, display.interrupted).run())
    _tell_sent(sent, source.left_out, peer, terminal)
    return ExitCode.RETRY if sent.changed else ExitCode.OK


def _tell_sent(sent: Sent, left_out: Sequence[bytes], peer: str, terminal: Terminal) -> None:
    missing = [os.fsdecode(path) for path in left_out]
    said: dict[str, Any] = {
        "event": "sent",
        "to": peer,
        "files": sent.files - len(sent.changed),
        "bytes": sent.bytes,
        "there_before": sent.there,
        "roots": dict(sent.roots),
        "changed": sent.changed,
        "left_out": missing,
    }
    there = f", {bytes_text(sent.there)} of it was there" if sent.there else ""
    terminal.line(said, f"{peer} has {_files(sent.files - len(sent.changed))}, {bytes_text(sent.bytes)}{there}")
    if missing:
        terminal.warning(f"left out, since they are neither files nor folders: {_some(missing)}")
    if sent.changed:
        terminal.error(f"changed or unreadable while they were sent: {_some(sent.changed)}", "send them again")


def receive(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Receive until Ctrl-C."""
    inbox = Inbox(Path(arguments.folder or "."), overwrite=arguments.overwrite)
    wanted = frozenset(filter(None, (getattr(arguments, "from") or "").split(",")))
    try:
        asyncio.run(_Receiving(inbox, wanted, terminal, once=arguments.once).run())
    except KeyboardInterrupt:
        terminal.note("stopped; what arrived is kept, and senders go on from there when it runs again")
        raise
    finally:
        inbox.close()
    return ExitCode.OK


class _Receiving:
    """What `receive` does, until it is cancelled or, with `once`, a transfer is complete."""

    def __init__(self, inbox: Inbox, wanted: frozenset[str], terminal: Terminal, *, once: bool) -> None:
        self._inbox = inbox
        self._wanted = wanted
        self._screen = Screen(terminal)
        self._once = once
        self._complete = asyncio.Event()
        self._threads = ThreadPoolExecutor(THREADS)
        self._taken: Counter[str] = Counter()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(self._serve(tasks))
                if self._once:
                    await self._complete.wait()
                    serving.cancel()
        except* (ApplianceError, OSError) as errors:
            raise errors.exceptions[0] from None
        finally:
            await asyncio.to_thread(self._inbox.stop)
            self._threads.shutdown()

    async def _serve(self, tasks: asyncio.TaskGroup) -> None:
        """Serve, also after the node was started again."""
        first, waited_for = True, ""
        while True:
            try:
                async with Client() as client, await client.listen(SERVICE) as listener:
                    self._screen.line({"event": "ready"}, "ready to receive; end with Ctrl-C" if first else "ready again")
                    first, waited_for = False, ""
                    async for connection in listener:
                        tasks.create_task(self._take(connection))
                raise NodeGone("this host's node has ended")
            except SDKError as error:
                if first or isinstance(error, AccessDenied | ServiceTaken):
                    raise
                if error.message != waited_for:
                    self._screen.note(f"{error.message}; waiting")
                waited_for = error.message
            await asyncio.sleep(PAUSE_SECONDS)

    async def _take(self, connection: Connection) -> None:
        who = connection.identity or connection.peer
        if self._taken.total() >= THREADS or self._taken[who] >= MOST_OF_ONE:
            connection.reset()
            return
        self._taken[who] += 1
        try:
            await self._take_one(connection)
        finally:
            self._taken[who] -= 1

    async def _take_one(self, connection: Connection) -> None:
        peer, identity, stream = connection.peer, connection.identity, connection.detach()
        run = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        if self._wanted and not self._wanted & {peer, identity}:
            await run(refuse, stream, Reason.NOT_WANTED, "files of others are awaited")
            return
        name = folder_name(peer, identity)
        with Display(self._screen, {"from": peer or name}) as display:
            try:
                received = await display.while_shown(run(self._inbox.take, stream, peer, identity, display.moved))
            except ApplianceError as error:
                display.interrupted(error)
                return
        self._tell(received, peer or name, name)
        self._complete.set()

    def _tell(self, received: Received, sender: str, folder: str) -> None:
        said = {
            "event": "received",
            "from": sender,
            "folder": folder,
            "files": received.files,
            "bytes": received.bytes,
            "there_before": received.there,
        }
        text = f"{_files(received.files)} from {sender}, {bytes_text(received.bytes)}, in {folder}"
        self._screen.line(said, text)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    """Some of them, safe to show: a name is whatever somebody called a file."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(ascii, names[:SHOWN])) + more
