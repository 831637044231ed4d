"""Opens a profile the way every command does: its plugins first, then the text, then what the plugins think of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.plugin_host import PluginHost, required
from appliance.plugin_host.discovery import enabled
from appliance.profile import Kinds, enabled_plugins, json_schema, load

if TYPE_CHECKING:
    from appliance.api.planning import HostState, Step
    from appliance.api.profile import Profile
    from appliance.profile import Setting


@dataclass(frozen=True, slots=True)
class OpenProfile:
    """A valid profile with its loaded plugins. `warnings` are sentences about plugins that failed softly."""

    profile: Profile
    files: tuple[str, ...]
    settings: tuple[Setting, ...]
    plugins: PluginHost
    warnings: tuple[str, ...]

    def contribute(self, profile: Profile, observed: HostState) -> Sequence[Step]:
        """What the plugins add to a plan. Raises PluginFault."""
        return self.plugins.plan(profile, observed)


def open_profile(path: str | None) -> OpenProfile:
    """Open the named profile, or the system's. Raises ProfileInvalid with everything that is wrong."""
    paths = [Path(path)] if path else []
    host = PluginHost.load(enabled(enabled_plugins(paths, environ=os.environ)))
    loaded = load(paths, environ=os.environ, sections=host.sections, kinds=kinds_of(host))
    problems = (*required(loaded.profile, host), *host.check_profile(loaded.profile, None))
    if problems:
        raise loaded.invalid(problems)
    warnings = tuple(f"plugin {fact.name}: {fact.problem}; {fact.hint}".rstrip("; ") for fact in host.broken)
    return OpenProfile(loaded.profile, tuple(map(str, loaded.files)), loaded.settings, host, warnings)


def open_plugins(path: str | None) -> PluginHost:
    """The plugins that a profile names, loaded; the standard ones when there is no profile or it cannot be read."""
    return PluginHost.load(enabled(enabled_plugins([Path(path)] if path else [], environ=os.environ)))


def default_schema() -> dict[str, Any]:
    """The JSON Schema of profiles with what the standard and the host's own plugins bring."""
    from appliance.api.profile import STANDARD_PLUGINS

    host = PluginHost.load(enabled(STANDARD_PLUGINS))
    return json_schema(host.sections, kinds_of(host))


def kinds_of(host: PluginHost) -> Kinds:
    """The kinds a profile is judged by. When a plugin failed, its kinds are unknown rather than wrong."""
    if host.broken:
        return Kinds()
    return Kinds(discovery=tuple(host.discovery.values()), monitors=tuple(host.monitors.values()))
