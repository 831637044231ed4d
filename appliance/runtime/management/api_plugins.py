"""The plugins that bring parts of the API server: which they are, and on whose account their trouble is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from appliance.api.kinds import settings_of
from appliance.api.profile_management import Listen, Management
from appliance.api.server_settings import for_the_core
from appliance.api.services import Stats, judged
from appliance.foundation.patience import limited
from appliance.plugin_host.calling import describe
from appliance.plugin_host.plugins import PluginHost
from appliance.plugin_host.registry import API_PARTS, parts_of
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import REPORT


class ApiPlugins:
    """`plugins` are those of the node, `calls` keeps their accounts."""

    def __init__(self, plugins: PluginHost, calls: PluginCalls) -> None:
        self._plugins = plugins
        self._calls = calls
        self._troubled: set[Part] = set()
        self._told: dict[Part, Callable[[], Stats]] = {}
        """What tells the figures that came last."""

    def of(self, management: Management) -> list[str]:
        """The plugins that bring what the section names, each once."""
        named = ((API_PARTS[key], name) for key, found in parts_of(management).items() for name in found)
        owners = dict.fromkeys(self._plugins.owner(noun, name) for noun, name in named)
        return [owner for owner in owners if owner is not None]

    def servers(self, management: Management) -> tuple[dict[str, Sequence[Listen]], dict[str, str]]:
        """Where the servers listen that the section names, by their names; and what is wrong with those that do not tell."""
        kinds = self._plugins.api_parts["servers"]
        found: dict[str, Sequence[Listen]] = {}
        wrong: dict[str, str] = {}
        for name, written in management.servers.items():
            try:
                found[name] = limited(lambda name=name, written=written: for_the_core(settings_of(kinds[name], written)).listen)  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
                wrong[name] = f"its settings cannot be read: {describe(error)}"
        return found, wrong

    def tell(self, key: str, name: str, problem: str) -> None:
        """How something is that stands below `key` in the section; "" for well."""
        part = Part(API_PARTS[key], name, REPORT)
        if problem:
            self._troubled.add(part)
        else:
            self._troubled.discard(part)
        self._calls.reported(part, problem)

    def figures(self, management: Management | None, told: object) -> None:
        """What parts tell in figures, by what they are of ("store.postgresql"), for the status. What cannot be shown is left
        out."""
        self._forget_figures()
        if management is None or not isinstance(told, Mapping):
            return
        for key, found in parts_of(management).items():
            for name in found:
                with suppress(TypeError, ValueError):
                    figures = judged(told.get(f"{key}.{name}", {}))
                    if figures:
                        part = Part(API_PARTS[key], name)
                        source: Callable[[], Stats] = partial(dict, figures)
                        self._told[part] = source
                        self._calls.sources[source] = part

    def forget(self) -> None:
        """The API server has ended, and its parts with it: the next one tells only of trouble of its own."""
        self._forget_figures()
        for part in self._troubled:
            self._calls.reported(part, "")
        self._troubled.clear()

    def _forget_figures(self) -> None:
        for source in self._told.values():
            self._calls.sources.pop(source, None)
        self._told.clear()
