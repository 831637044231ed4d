"""Asks plugins what they want of a host: the hooks `appliance_observe` and `appliance_plan`. Fails closed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from appliance.api.planning import HostState, NftTable, Setting, Wish
from appliance.errors import PluginFault
from appliance.plugin_host.calling import LoadedPlugin

if TYPE_CHECKING:
    from appliance.api.profile import Profile


class PlanHooks:
    """What `planning.contributions.Contributors` asks for. `told` hears of each fault before it is raised."""

    def __init__(self, plugins: Iterable[LoadedPlugin], broken: Collection[str], told: Callable[[PluginFault], None]) -> None:
        self._plugins = tuple(plugin for plugin in plugins if plugin.implements("appliance_plan"))
        self.kept = frozenset(broken)
        self._told = told

    @property
    def names(self) -> tuple[str, ...]:
        """The plugins that may want something."""
        return tuple(plugin.name for plugin in self._plugins)

    def observe(self, profile: Profile) -> dict[str, tuple[str, ...]]:
        """Plugin to the settings it wants to see. Raises PluginFault."""
        return {plugin.name: self._answer(plugin, "appliance_observe", str, profile=profile) for plugin in self._plugins}

    def plan(self, profile: Profile, observed: HostState) -> dict[str, tuple[Wish, ...]]:
        """Plugin to all that it wants. Raises PluginFault."""
        return {
            plugin.name: self._answer(plugin, "appliance_plan", (Setting, NftTable), profile=profile, observed=observed)
            for plugin in self._plugins
        }

    def _answer(self, plugin: LoadedPlugin, hook: str, kinds: Any, **arguments: object) -> tuple[Any, ...]:
        try:
            found = plugin.collect(hook, **arguments)
            for item in found:
                if not isinstance(item, kinds):
                    wanted = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
                    raise PluginFault(plugin.name, f"{hook} gave a {type(item).__name__}, wanted {wanted}")
        except PluginFault as fault:
            self._told(fault)
            raise
        return tuple(found)
