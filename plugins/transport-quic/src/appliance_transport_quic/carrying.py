"""The node's side of a carrier: starts the process, gives it sockets, and hears what became of them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

LONGEST_MESSAGE: Final = 16384
START_SECONDS: Final = 20.0
"""An interpreter and TLS take a third of a second, on a busy machine ten times that."""
ANSWER_SECONDS: Final = 5.0
"""How long the carrier may take for what waits for nobody else, and to end."""


def nobody_minds() -> None:
    """`ended` if nobody wants to know."""


class Carrier:
    """One carrier process. It is started by the first link, and again after it has ended."""

    def __init__(self, settings: Mapping[str, Any], ended: Callable[[], None] = nobody_minds) -> None:
        """`settings` as the process reads them. `ended()` is called when it has ended by itself, with all its links."""
        self._settings = settings
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._next = 0
        self._before: dict[str, int] = {}
        self._now: dict[str, int] = {}

    @property
    def figures(self) -> dict[str, int]:
        """What was counted so far, by processes that have ended too."""
        return {name: self._before.get(name, 0) + self._now.get(name, 0) for name in sorted({*self._before, *self._now})}

    async def call(self, outside: socket.socket, pair: socket.socket, name: str, shown: str, seconds: float) -> None:
        """Make a QUIC connection over a connected socket; `pair` is what its datagrams come by. Both are closed here, whatever
        comes of it. Raises OSError with a sentence for the admin."""
        await self._order({"call": name, "shown": shown, "seconds": seconds}, seconds + ANSWER_SECONDS, outside, pair)

    async def listen(self, outside: socket.socket, pair: socket.socket) -> None:
        """Take connections on a bound socket; `pair` is for all that have none of their own. Only `pair` is closed here."""
        with pair:
            await self._order({"listen": True}, ANSWER_SECONDS, outside.dup(), pair)

    async def attach(self, remote: tuple[str, int], pair: socket.socket) -> None:
        """Give the connection from `remote` a pair of its own. Raises OSError if there is none."""
        await self._order({"attach": remote}, ANSWER_SECONDS, pair)

    async def start(self) -> None:
        """Start the process if it does not run. Raises OSError with a sentence for the admin."""
        async with self._starting:
            if self._socket is None:  # one that has just ended may not be dead yet
                await self._start()

    async def close(self) -> None:
        """End the process, and all links with it."""
        process, self._process = self._process, None
        self._forget()  # it ends when its socket is closed
        if process is not None:
            try:
                await asyncio.to_thread(process.wait, ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)

    async def _order(self, order: dict[str, Any], seconds: float, *sockets: socket.socket) -> None:
        number = None
        try:
            await self.start()
            self._next += 1
            number = self._next
            done = self._waiting[number] = asyncio.get_running_loop().create_future()
            assert self._socket is not None
            message = json.dumps({"id": number, **order}).encode()
            socket.send_fds(self._socket, [message], [each.fileno() for each in sockets])
            for each in sockets:
                each.close()
            async with asyncio.timeout(seconds):
                await done
        except BlockingIOError:
            raise OSError("too many QUIC connections at a time") from None
        finally:
            for each in sockets:
                each.close()
            if number is not None:
                self._waiting.pop(number, None)

    async def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        isolation = "-I" if sys.flags.isolated else "-P"  # nothing from the current directory
        module = "appliance_transport_quic.carrier"
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: ASYNC220 - it takes a millisecond, and is waited for by its first word
                    [sys.executable, isolation, "-m", module, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    env={key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "PYTHONDONTWRITEBYTECODE")},
                    start_new_session=True,
                )
            ours.setblocking(False)  # noqa: FBT003 - its name for it
            ours.send(json.dumps(self._settings).encode())
            async with asyncio.timeout(START_SECONDS):
                await _readable(ours)
            told = json.loads(ours.recv(LONGEST_MESSAGE) or b"{}")
        except BaseException:
            ours.close()
            raise
        if not told.get("ready"):
            ours.close()
            raise OSError(told.get("error") or "the process that speaks QUIC ended at once")
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._hear)

    def _hear(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(LONGEST_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._forget()
            self._ended()
            return
        told = json.loads(data)
        if "figures" in told:
            self._now = told["figures"]
            return
        waiting = self._waiting.get(told["id"])
        if waiting is not None and not waiting.done():
            if told["error"]:
                waiting.set_exception(OSError(told["error"]))
            else:
                waiting.set_result(None)

    def _forget(self) -> None:
        """Nothing comes from the process any more."""
        self._before, self._now = self.figures, {}
        if self._socket is not None:
            with suppress(RuntimeError):  # the loop may have ended
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(OSError("the process that speaks QUIC has ended"))


async def _readable(sock: socket.socket) -> None:
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sock, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(sock)
