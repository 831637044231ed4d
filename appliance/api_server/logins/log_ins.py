"""Log-ins of the profile, from the first step to tokens.

browser:  begin ─▶ the provider's page ─▶ finish ─▶ a code, good once ─▶ tokens
device:   begin_device ─▶ the user goes to the provider's page elsewhere ─▶ finish_device, asked again and again ─▶ tokens
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from appliance.api.login_settings import LoginSettings
from appliance.api.logins import Claims, Login
from appliance.api.profile_management import Management
from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.federated import Rules
from appliance.api_server.iam.records import NoSuchRecord
from appliance.api_server.iam.sessions import Grant
from appliance.api_server.iam.tools import Note
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import cancelled
from appliance.management.iam.federated import LogInRefused

log = get_logger("api")

BEGUN_SECONDS: Final = 600.0
"""In which somebody has to log in at the provider's page."""
CODE_SECONDS: Final = 60.0
"""In which a page has to bring the code that it was given."""
PLUGIN_SECONDS: Final = 30.0
"""For one answer of a plugin."""
LEAST_INTERVAL: Final = 1.0
"""Seconds between two questions whether the user of a device said yes."""
MOST_KEPT: Final = 32
"""Values that a plugin may have kept."""
LONGEST_KEPT: Final = 16_384


class LogInNotOpen(ApplianceError):
    """The profile names that log-in, and it does not run now."""

    exit_code = ExitCode.RETRY
    retryable = True


class LogInFailed(ApplianceError):
    """The other side did not say who somebody is."""


class Going(NamedTuple):
    """A browser on its way."""

    url: str
    """Where it goes next."""
    browser: str
    """What it has to bring when it comes back: a secret."""


class LogInPending(ApplianceError):
    """The user of a device has not said yes so far."""

    exit_code = ExitCode.RETRY
    retryable = True

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds."""
        super().__init__("the user has not logged in so far", hint="ask again after Retry-After")
        self.retry_after = retry_after


class OnItsWay(NamedTuple):
    """A device whose user is somewhere else."""

    url: str
    """Which the user opens."""
    code: str
    """Which the user enters there."""
    device: str
    """The secret of the device."""
    seconds: int
    """For which that is possible."""
    interval: int
    """Seconds between two questions."""


class LogIns:
    """Those of plugins, by name."""

    def __init__(self, accounts: Accounts, management: Management) -> None:
        self._accounts = accounts
        self._waiting = accounts.waiting
        self._open: dict[str, Login] = {}
        self._rules = {name: _rules(name, written) for name, written in management.logins.items()}

    async def use(self, name: str, login: Login) -> None:
        """Let that one answer until this is cancelled. Raises UserRefused when the profile gives a role that there is not."""
        self._accounts.federated.judge(self._rules[name])
        self._open[name] = login
        try:
            await asyncio.Event().wait()
        finally:
            del self._open[name]

    def shown(self) -> list[dict[str, Any]]:
        """Those that the profile names, and whether they run."""
        return [
            {"name": name, "open": name in self._open, "devices": rules.devices} for name, rules in sorted(self._rules.items())
        ]

    async def begin(self, name: str, callback: str, address: str) -> Going:
        """Begin in a browser that comes back to `callback`. Raises ApplianceError."""
        login = self._login(name)
        await self._waiting.begin(address)
        browser, state = self._waiting.secret(), self._waiting.secret()
        async with self._beginning(name, address):
            begun = await login.begin(callback, state, self._waiting.secret())
            kept = {"callback": callback, "plugin": _judged(begun.kept)}
        await self._waiting.keep(state, self._waiting.waiting("finish", name, browser, BEGUN_SECONDS, kept))
        return Going(begun.url, browser)

    async def finish(self, name: str, parameters: Mapping[str, str], browser: str, address: str) -> str:
        """Somebody is back with these parameters. Returns the code for `exchange`. Raises ApplianceError."""
        login = self._login(name)
        async with self._judging(name, address):
            waiting = await self._waiting.take("finish", parameters.get("state", ""), browser, name)
            async with self._plugin(name):
                claims = await login.finish(waiting.kept["callback"], waiting.kept["plugin"], parameters)
            user = await self._user(name, claims)
        code = self._waiting.secret()
        await self._waiting.keep(code, self._waiting.waiting("exchange", name, browser, CODE_SECONDS, {"user": user}))
        return code

    async def exchange(self, code: str, browser: str, client: str, address: str) -> Grant:
        """Tokens for a code. Raises ApplianceError."""
        async with self._judging("", address):
            waiting = await self._waiting.take("exchange", code, browser)
        return await self._granted(waiting.login, waiting.kept["user"], client, address)

    async def begin_device(self, name: str, address: str) -> OnItsWay:
        """Begin without a browser. Raises ApplianceError."""
        login = self._login(name)
        if not self._rules[name].devices:
            raise LogInRefused(
                f"devices do not log in by {name} here", hint="log in with a browser; the profile may say otherwise"
            )
        await self._waiting.begin(address)
        async with self._beginning(name, address):
            begun = await login.device_begin()
            interval = int(max(begun.interval, LEAST_INTERVAL))
            kept = {"plugin": _judged(begun.kept), "interval": interval}
        device = self._waiting.secret()
        seconds = min(begun.seconds, BEGUN_SECONDS)
        await self._waiting.keep(device, self._waiting.waiting("device", name, "", seconds, kept))
        return OnItsWay(begun.url, begun.code, device, int(seconds), interval + 1)

    async def finish_device(self, device: str, client: str, address: str) -> Grant:
        """Has its user said yes? Raises LogInPending, ApplianceError."""
        waiting, now = await self._waiting.pace("device", device)
        if not now:
            raise LogInPending(waiting.kept["interval"])
        login = self._login(waiting.login)
        async with self._judging(waiting.login, address):
            async with self._plugin(waiting.login):
                claims = await login.device_finish(waiting.kept["plugin"])
            user = None
            if claims is not None:
                await self._waiting.take("device", device, "")
                user = await self._user(waiting.login, claims)
        if user is None:
            raise LogInPending(waiting.kept["interval"])
        return await self._granted(waiting.login, user, client, address)

    async def _granted(self, name: str, user: str, client: str, address: str) -> Grant:
        grant = await self._accounts.sessions.enter(user, name, client, address)
        await self._waiting.right(address)
        return grant

    async def _user(self, name: str, claims: Claims) -> str:
        return (await self._accounts.federated.user_of(claims, self._rules[name])).id

    def _login(self, name: str) -> Login:
        """Raises NoSuchRecord, LogInNotOpen."""
        if name not in self._rules:
            raise NoSuchRecord("there is no such log-in", hint="list them: GET /api/v1/auth/logins")
        if name not in self._open:
            raise LogInNotOpen(f"the log-in {name} does not run now", hint="an admin sees why: appliance plugins")
        return self._open[name]

    @asynccontextmanager
    async def _beginning(self, name: str, address: str) -> AsyncIterator[None]:
        """What the other side does wrong before there is anything to guess counts for nobody."""
        try:
            async with self._plugin(name):
                yield
        except LogInFailed:
            await self._waiting.right(address)
            raise

    @asynccontextmanager
    async def _plugin(self, name: str) -> AsyncIterator[None]:
        """What goes wrong within is the other side's."""
        try:
            async with asyncio.timeout(PLUGIN_SECONDS):
                yield
        except ApplianceError as error:
            raise LogInFailed(f"{name}: {error.message}", hint=error.hint or "begin again") from error
        except TimeoutError:
            raise LogInFailed(f"{name} did not answer in time", hint="begin again") from None
        except BaseException as error:  # whatever it is, it is the plugin's
            if isinstance(error, asyncio.CancelledError) and cancelled():
                raise
            log.exception("a log-in failed", login=name)
            raise LogInFailed(f"{name} failed: this should not have happened", hint="look at the node's log") from error

    @asynccontextmanager
    async def _judging(self, name: str, address: str) -> AsyncIterator[None]:
        """Who does not get in is noted."""
        try:
            yield
        except ApplianceError as error:
            detail = f"{name}: {error.message}" if name else error.message
            self._accounts.tools.note(Note("user.login", detail=detail[:200], denied=True, address=address))
            raise


def _rules(name: str, written: Mapping[str, Any]) -> Rules:
    """The core's keys among what the profile says."""
    login = LoginSettings.model_validate({key: written[key] for key in LoginSettings.model_fields if key in written})
    return Rules(name, login.roles, login.create, login.devices)


def _judged(kept: Mapping[str, str]) -> dict[str, str]:
    """What a plugin wants kept. Raises ValueError."""
    if len(kept) > MOST_KEPT or sum(len(str(key)) + len(str(value)) for key, value in kept.items()) > LONGEST_KEPT:
        raise ValueError("a log-in wants more kept than may be")
    return {str(key): str(value) for key, value in kept.items()}
