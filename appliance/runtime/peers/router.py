"""The router that a profile names, opened with its settings and services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from appliance.api.profile import Profile
from appliance.api.routing import PeerwiseRouter, Route, Router, RoutingKind, RoutingView
from appliance.api.values import Network
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import PluginServices, opening


class OpenRouter:
    """A router and what it runs beside."""

    def __init__(self, router: Router, services: PluginServices | None = None) -> None:
        self._router = router
        self._services = services

    def routes(self, view: RoutingView) -> Iterable[Route]:
        """As `api.routing.Router.routes`."""
        return self._router.routes(view)

    @property
    def routes_to(self) -> Callable[[str, tuple[Network, ...]], Iterable[Route]] | None:
        """As `api.routing.PeerwiseRouter.routes_to`; None: it is asked for everything."""
        return self._router.routes_to if isinstance(self._router, PeerwiseRouter) else None

    async def close(self) -> None:
        """End what it runs."""
        if self._services is not None:
            await self._services.close()


class _Services(PluginServices):
    """What a router gets from the core (api.routing.RoutingServices)."""

    def __init__(self, calls: PluginCalls, kind: str, changed: Callable[[], None]) -> None:
        super().__init__(calls, "routing", kind)
        self._changed = changed
        self._open = True

    def changed(self) -> None:
        if self._open:
            self._changed()

    async def close(self) -> None:
        self._open = False
        await super().close()


def open_router(
    kinds: Mapping[str, RoutingKind], profile: Profile, calls: PluginCalls, changed: Callable[[], None]
) -> OpenRouter:
    """The router that `profile` wants. `changed` is called when it wants to be asked again. Raises PluginFault."""
    kind = kinds[profile.routing.kind]
    services = _Services(calls, kind.name, changed)
    written = profile.routing.settings_of(kind.name)
    return OpenRouter(calls.call(Part("routing", kind.name, "open"), opening(kind, written, services)), services)
