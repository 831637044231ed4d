"""A port by UPnP IGD, where a router knows nothing better: a process asks for it, again before it runs out, and gives it back."""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from appliance.api.values import Endpoint
from appliance.foundation import interpreter
from appliance.foundation.tasks import Tasks
from appliance.members.leases import LIFETIME, REST_SECONDS

LIBRARY: Final = "miniupnpc"
PROCESS_SECONDS: Final = 20.0
"""How long the process may take; it searches for two seconds."""
MOST_ANSWER_BYTES: Final = 4096


class IgdPort:
    """The port of one socket. `changed()` is called when it comes or goes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._tasks = Tasks()
        self._at: tuple[str, int] | None = None
        self.mapped: Endpoint | None = None
        self.problem = ""

    def ask(self, client: str, port: int) -> None:
        """Have UDP `port` of `client`, this host's address towards the router, and keep it."""
        if (client, port) == self._at:
            return
        if importlib.util.find_spec(LIBRARY) is None:
            self.problem = f"for UPnP the Python package {LIBRARY} is missing"
            return
        self._at = client, port
        self._tasks.spawn(self._hold(client, port), "a port by UPnP", self._failed)

    async def close(self) -> None:
        """Give it back."""
        await self._tasks.close()
        mapped, at = self.mapped, self._at
        self.mapped, self._at = None, None
        if mapped is not None and at is not None:
            await _run("delete", at[0], mapped.port)

    async def _hold(self, client: str, port: int) -> None:
        while True:
            self._take(await _run("add", client, port))
            await asyncio.sleep(LIFETIME / 2 if self.mapped else REST_SECONDS)

    def _take(self, answer: dict[str, Any]) -> None:
        before = self.mapped
        try:
            address = str(ipaddress.IPv4Address(answer.get("address")))
            self.mapped, self.problem = Endpoint.parse(f"udp://{address}:{int(answer['port'])}"), ""
        except (ValueError, KeyError, TypeError):
            self.mapped, self.problem = None, str(answer.get("problem", "UPnP: the router says nothing of use"))
        if self.mapped != before:
            self._changed()

    def _failed(self, error: Exception) -> None:
        self.problem = f"UPnP: {error}"


async def _run(deed: str, client: str, port: int) -> dict[str, Any]:
    """What the process said, in which the library runs without privileges."""
    words = interpreter.command("appliance.runtime.members.igd", deed, client, str(port), str(LIFETIME))
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/"
        )
    except OSError as error:
        return {"problem": f"UPnP: {error.strerror}"}
    try:
        async with asyncio.timeout(PROCESS_SECONDS):
            assert process.stdout is not None
            said = await process.stdout.read(MOST_ANSWER_BYTES)
            await process.wait()
        answer = json.loads(said)
    except (TimeoutError, ValueError):
        return {"problem": "UPnP: the router did not answer in time"}
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    return answer if isinstance(answer, dict) else {}
