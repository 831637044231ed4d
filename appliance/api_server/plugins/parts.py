"""Opens what the profile names of plugins below `management`, and opens it again when it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, NamedTuple

from appliance.api.kinds import settings_of
from appliance.api.profile_management import Management
from appliance.api.stores import RewritableStore
from appliance.api_server.plugins.kinds import Brought, Kinds
from appliance.api_server.plugins.services import Joints, PartServices, PartState
from appliance.errors import ApplianceError, PluginFault
from appliance.foundation.patience import as_exception
from appliance.foundation.tasks import Tasks, cancelled
from appliance.plugin_host.calling import describe
from appliance.plugin_host.registry import parts_of

OPEN_SECONDS: Final = 30.0
"""How long opening may take: databases wait for locks."""
PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds until what failed is opened again: the first time, the second, …; from then on the last."""
ENDED: Final = "it ended, and nobody had asked for that"
"""Of what swallows the failure of its use."""

Use = Callable[[str, Any], Awaitable[None]]
"""Called with the name and what was opened; runs as long as that is to stay open. What it raises means that it has failed."""


class _Named(NamedTuple):
    """What a section names, ready to be opened."""

    key: str
    name: str
    brought: Brought
    written: Any

    def opened(self, services: PartServices) -> AbstractAsyncContextManager[Any]:
        """Raises whatever the plugin does, or pydantic."""
        kind = self.brought.kind
        context: AbstractAsyncContextManager[Any] = kind.open(settings_of(kind, self.written), services)
        return context


class PluginParts:
    """`close` ends all."""

    def __init__(self, kinds: Kinds, management: Management, joints: Joints) -> None:
        self._kinds = kinds
        self._management = management
        self._joints = joints
        self._stack = AsyncExitStack()
        self._tasks = Tasks()
        self._running: dict[str, list[asyncio.Task[None]]] = {}
        """By the key."""
        self._made: dict[str, PartServices] = {}

    async def store(self) -> RewritableStore | None:
        """The store that the section names, open until `close`; None: it names none. Raises ApplianceError."""
        for named in self._named("store"):
            services = self._services(named)
            self._stack.push_async_callback(services.close)
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    store: RewritableStore = await self._stack.enter_async_context(named.opened(services))
            except ApplianceError:
                raise
            except BaseException as error:  # whatever it is, it is the plugin's
                if isinstance(error, asyncio.CancelledError) and cancelled():
                    raise
                raise _fault(named, as_exception(error)) from error
            _listen(services, store)
            return store
        return None

    def run(
        self, key: str, use: Use, services: Callable[[Joints, str, str, str], PartServices] = PartServices
    ) -> tuple[str, ...]:
        """Keep all open that stand below that key, each in a task of its own, and let `use` have it. `services` makes those of
        its family. Returns their names. Raises PluginFault."""
        found = self._named(key)
        self._running[key] = [
            self._tasks.spawn(self._kept_open(named, use, self._services(named, services)), f"{key}.{named.name}")
            for named in found
        ]
        return tuple(named.name for named in found)

    def figures(self) -> dict[str, dict[str, Any]]:
        """What is told in figures, by what it is of ("exports.nats")."""
        return {name: found for name, made in self._made.items() if (found := made.figures())}

    def state(self, key: str, name: str) -> PartState | None:
        """How something below that key is; None if the section does not name it."""
        made = self._made.get(f"{key}.{name}")
        return None if made is None else made.state

    async def end(self, key: str) -> None:
        """End what stands below that key."""
        running = self._running.pop(key, [])
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def end_tasks(self) -> None:
        """End all but the store, before what they use."""
        await self._tasks.close()

    async def close(self) -> None:
        """End what runs, then the store. Safe to call twice."""
        await self._tasks.close()
        await self._stack.aclose()

    def _named(self, key: str) -> list[_Named]:
        """Raises PluginFault for what no loaded plugin brings."""
        found = []
        for name, written in parts_of(self._management)[key].items():
            brought = self._kinds.get(key, {}).get(name)
            if brought is None:
                raise PluginFault(
                    name, f"management.{key}.{name} comes from no plugin that works", hint="see `appliance plugins`"
                )
            found.append(_Named(key, name, brought, written))
        return found

    def _services(self, named: _Named, family: Callable[[Joints, str, str, str], PartServices] = PartServices) -> PartServices:
        made = family(self._joints, named.brought.plugin, named.key, named.name)
        self._made[f"{named.key}.{named.name}"] = made
        return made

    async def _kept_open(self, named: _Named, use: Use, services: PartServices) -> None:
        failures = 0
        try:
            while True:
                began = asyncio.get_running_loop().time()
                try:
                    async with asyncio.timeout(OPEN_SECONDS) as opening, named.opened(services) as opened:
                        opening.reschedule(None)
                        services.report("")
                        _listen(services, opened)
                        await use(named.name, opened)
                    services.report(ENDED)
                except BaseException as error:  # whatever it is, it is the plugin's
                    if isinstance(error, asyncio.CancelledError) and cancelled():
                        raise
                    services.report(error.message if isinstance(error, ApplianceError) else describe(as_exception(error)))
                finally:
                    await services.end_tasks()
                failures = 0 if asyncio.get_running_loop().time() - began > PAUSES[-1] else failures + 1
                await asyncio.sleep(PAUSES[min(max(failures - 1, 0), len(PAUSES) - 1)])
        finally:
            await services.close()


def _listen(services: PartServices, opened: object) -> None:
    """What was opened may tell figures of itself (`api.services.HasStats`)."""
    if not services.sources and callable(source := getattr(opened, "stats", None)):
        services.stats_from(source)


def _fault(named: _Named, error: Exception) -> PluginFault:
    said = "did not open in time" if isinstance(error, TimeoutError) else describe(error)
    return PluginFault(named.brought.plugin, f"management.{named.key}.{named.name} {said}", hint="see `appliance plugins`")
