"""Asks plugins about a host: what they want of it, and whether the profile fits it. Fails closed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from appliance.api.planning import HostState, NftTable, Setting, Wish
from appliance.api.values import Problem
from appliance.errors import PluginFault
from appliance.plugin_host.calling import LoadedPlugin

if TYPE_CHECKING:
    from appliance.api.profile import Profile


class Asks(Protocol):
    """`PluginHost`, as far as it is needed here."""

    def check_profile(self, profile: Profile, host: HostState | None) -> tuple[Problem, ...]:
        """What the plugins find wrong with a profile on a host."""

    def section_of(self, plugin: str, profile: Profile) -> Any:
        """What the profile says in the section of a plugin."""


class PlanHooks:
    """What `planning.contributions.Contributors` asks for. `told` hears of each fault before it is raised."""

    def __init__(
        self, plugins: Iterable[LoadedPlugin], broken: Collection[str], asks: Asks, told: Callable[[PluginFault], None]
    ) -> None:
        self._plugins = tuple(plugin for plugin in plugins if plugin.implements("appliance_plan"))
        self._asks = asks
        self.kept = frozenset(broken)
        self._told = told

    @property
    def names(self) -> tuple[str, ...]:
        """The plugins that may want something."""
        return tuple(plugin.name for plugin in self._plugins)

    def observe(self, profile: Profile) -> dict[str, tuple[str, ...]]:
        """Plugin to the settings it wants to see. Raises PluginFault."""
        return {plugin.name: self._answer(plugin, "appliance_observe", str, profile) for plugin in self._plugins}

    def check(self, profile: Profile, observed: HostState) -> tuple[Problem, ...]:
        """What the plugins find wrong with the profile on this host."""
        return self._asks.check_profile(profile, observed)

    def plan(self, profile: Profile, observed: HostState) -> dict[str, tuple[Wish, ...]]:
        """Plugin to all that it wants. Raises PluginFault."""
        return {
            plugin.name: self._answer(plugin, "appliance_plan", (Setting, NftTable), profile, observed=observed)
            for plugin in self._plugins
        }

    def _answer(self, plugin: LoadedPlugin, hook: str, kinds: Any, profile: Profile, **arguments: object) -> tuple[Any, ...]:
        try:
            section = self._asks.section_of(plugin.name, profile)
            found = plugin.collect(hook, profile=profile, section=section, **arguments)
            for item in found:
                if not isinstance(item, kinds):
                    wanted = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
                    raise PluginFault(plugin.name, f"{hook} gave a {type(item).__name__}, wanted {wanted}")
        except PluginFault as fault:
            self._told(fault)
            raise
        return tuple(found)
