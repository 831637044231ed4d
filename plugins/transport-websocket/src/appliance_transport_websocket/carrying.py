"""The node's side of a carrier: starts the process, gives it sockets, and hears what became of them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from appliance_transport_websocket.place import Place
from appliance_transport_websocket.proxy import Proxy, request

LONGEST_MESSAGE: Final = 16384
START_SECONDS: Final = 20.0
"""An interpreter and TLS take a third of a second, on a busy machine ten times that."""
END_SECONDS: Final = 5.0


class Carrier:
    """One carrier process. It is started by the first link, and again after it has ended."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """`settings` as the process reads them."""
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._next = 0
        self.ended: Counter[str] = Counter()
        """How links ended, or why there were none: "closed", "malformed", "upgrade", "tls", "slow", "proxy", "full"."""

    async def call(self, outside: socket.socket, pair: socket.socket, place: Place, proxy: Proxy | None, seconds: float) -> None:
        """Make a WebSocket of a connected socket; `pair` is what the far end's bytes come by. Both are closed here, whatever
        comes of it. Raises OSError with a sentence for the admin."""
        asked = request(place, proxy.authorization) if proxy is not None else b""
        told = {"shown": proxy.shown, "request": base64.b64encode(asked).decode()} if proxy is not None else None
        await self._order({"place": [*place], "proxy": told, "seconds": seconds}, outside, pair)

    async def answer(self, outside: socket.socket, pair: socket.socket, path: str, seconds: float) -> None:
        """The same for one that was accepted."""
        await self._order({"place": None, "path": path, "seconds": seconds}, outside, pair)

    async def start(self) -> None:
        """Start the process if it does not run. Raises OSError with a sentence for the admin."""
        async with self._starting:
            if self._process is None or self._process.poll() is not None:
                self._forget()
                await self._start()

    async def close(self) -> None:
        """End the process, and all links with it."""
        process, self._process = self._process, None
        self._forget()  # it ends when its socket is closed
        if process is not None:
            try:
                await asyncio.to_thread(process.wait, END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)

    async def _order(self, order: dict[str, Any], outside: socket.socket, pair: socket.socket) -> None:
        with outside, pair:
            await self.start()
            self._next += 1
            number = self._next
            done = self._waiting[number] = asyncio.get_running_loop().create_future()
            assert self._socket is not None
            try:
                message = json.dumps({"id": number, **order}).encode()
                socket.send_fds(self._socket, [message], [outside.fileno(), pair.fileno()])
                outside.close()
                pair.close()
                async with asyncio.timeout(order["seconds"] + END_SECONDS):
                    await done
            except BlockingIOError:
                raise OSError("too many WebSockets at a time") from None
            finally:
                self._waiting.pop(number, None)

    async def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        isolation = "-I" if sys.flags.isolated else "-P"  # nothing from the current directory
        module = "appliance_transport_websocket.carrier"
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
            raise OSError(told.get("error") or "the process that speaks TLS ended at once")
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
            return
        told = json.loads(data)
        if "ended" in told:
            self.ended[told["ended"]] += 1
            return
        if told["kind"]:
            self.ended[told["kind"]] += 1
        waiting = self._waiting.get(told["id"])
        if waiting is not None and not waiting.done():
            if told["error"]:
                waiting.set_exception(OSError(told["error"]))
            else:
                waiting.set_result(None)

    def _forget(self) -> None:
        """Nothing comes from the process any more."""
        if self._socket is not None:
            with suppress(RuntimeError):  # the loop may have ended
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(OSError("the process that speaks TLS has ended"))


async def _readable(sock: socket.socket) -> None:
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sock, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(sock)
