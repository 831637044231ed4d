"""Log-ins that go on elsewhere: what has to be known when somebody comes back, kept for some minutes and taken once.

Only a digest of the secret by which it is found is kept. What came back in another browser than it began in is not taken: a
stranger cannot make somebody log in as that stranger, or go on where another one began.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from appliance.api.stores import Conflict, Delete
from appliance.api_server.iam.guard import Guard
from appliance.api_server.iam.hashing import TooManyLogIns
from appliance.api_server.iam.records import WAITING, put
from appliance.api_server.iam.tools import Tools
from appliance.errors import ApplianceError, ExitCode

SECRET_BYTES: Final = 32
MOST_WAITING: Final = 1000
"""At once, of all log-ins together."""
LONGEST_SECRET: Final = 200


class LogInOver(ApplianceError):
    """That log-in is not waited for: it took too long, was used already, or began in another browser."""

    exit_code = ExitCode.PERMISSION

    def __init__(self) -> None:
        super().__init__("nobody waits for this log-in", hint="begin again, in the browser where it is to end")


class Waiting(NamedTuple):
    """What is kept."""

    step: str
    """What comes next: nothing else takes it."""
    login: str
    browser: str
    """A digest of what its browser has; "" where there is none."""
    expires: int
    """Unix seconds."""
    kept: Mapping[str, Any]
    asked: int = 0
    """Unix seconds of the last question about it."""

    def __repr__(self) -> str:
        return f"Waiting({self.step}, {self.login})"


class WaitingLogIns:
    """All of them."""

    def __init__(self, tools: Tools, guard: Guard) -> None:
        self._tools = tools
        self._guard = guard

    async def begin(self, address: str) -> None:
        """Before one begins: count it as one that failed. Raises TooManyAttempts, TooManyLogIns."""
        await self._guard.begin("", address)
        if len(await self._tools.records.keys(WAITING, limit=MOST_WAITING)) >= MOST_WAITING:
            raise TooManyLogIns("too many log-ins wait for their end", hint="try again in a minute")

    async def right(self, address: str) -> None:
        """It did not fail."""
        await self._guard.right("", address)

    def secret(self) -> str:
        """A new one."""
        return self._tools.entropy(SECRET_BYTES).hex()

    async def keep(self, secret: str, waiting: Waiting) -> None:
        """It is found by that secret from now on."""
        await self._tools.records.commit(put(WAITING, digest(secret), waiting, 0, waiting.expires), durable=False)

    def waiting(self, step: str, login: str, browser: str, seconds: float, kept: Mapping[str, Any]) -> Waiting:
        """What is to be kept for so long."""
        return Waiting(step, login, digest(browser), self._tools.now + int(seconds), kept)

    async def take(self, step: str, secret: str, browser: str, login: str = "") -> Waiting:
        """What is kept, which from now on nobody finds. `login`: which it has to be. Raises LogInOver."""
        waiting, version = await self._found(step, secret, browser)
        if login not in {"", waiting.login}:
            raise LogInOver
        try:
            await self._tools.records.commit(Delete(WAITING, digest(secret), version))
        except Conflict:  # somebody was faster
            raise LogInOver from None
        return waiting

    async def pace(self, step: str, secret: str) -> tuple[Waiting, bool]:
        """What is kept, and stays; and whether its `interval` went by since this was asked last, of several at once for one of
        them. Raises LogInOver."""
        waiting, version = await self._found(step, secret, "")
        if self._tools.now - waiting.asked <= waiting.kept["interval"]:
            return waiting, False
        after = waiting._replace(asked=self._tools.now)
        try:
            await self._tools.records.commit(put(WAITING, digest(secret), after, version, after.expires), durable=False)
        except Conflict:
            return waiting, False
        return waiting, True

    async def _found(self, step: str, secret: str, browser: str) -> tuple[Waiting, int]:
        found = await self._tools.records.get(WAITING, digest(secret), Waiting) if 0 < len(secret) <= LONGEST_SECRET else None
        if found is None or found.value.step != step or found.value.expires <= self._tools.now:
            raise LogInOver
        if not hmac.compare_digest(found.value.browser, digest(browser)):
            raise LogInOver
        return found.value, found.version


def digest(secret: str) -> str:
    """What is kept of a secret; "" of none."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest() if secret else ""
