"""Opens a profile as every command does: first its plugins, then the text, then what the plugins say about it."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from appliance.api import STANDARD_PLUGINS
from appliance.control import client
from appliance.errors import ApplianceError, NoDaemon
from appliance.foundation import places
from appliance.plugin_host import PluginHost
from appliance.plugin_host.installed import enabled
from appliance.profile import json_schema
from appliance.runtime import loading

ASK_SECONDS = 3.0
SYSTEM = "which is the system's"

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.cli.terminal import Terminal
    from appliance.profile import LoadedProfile
    from appliance.profile.loading import Readings


@dataclass(frozen=True, slots=True)
class OpenProfile:
    """A valid profile, and its plugins."""

    profile: Profile
    files: tuple[str, ...]
    """The files that it was read from."""
    loaded: LoadedProfile
    plugins: PluginHost
    warnings: tuple[str, ...]
    """Sentences about plugins that failed where the node can do without them, and about a membership that does not count."""


def chosen(path: str | None, terminal: Terminal) -> str | None:
    """The profile that was named. If none was: the one that the running node would read again (as `apply` does), or None for the
    system's."""
    if path is not None:
        return path
    try:
        paths = client.call("profile", timeout=ASK_SECONDS)["paths"]
    except NoDaemon:
        return None
    except ApplianceError as error:
        terminal.note(f"note: which profile the running node has is not known ({error.message}): looking at the system's")
        return None
    terminal.note(f"note: looking at the running node's profile, {', '.join(paths) or SYSTEM}")
    return paths[0] if paths else None


def quietly_chosen(path: str | None) -> str | None:
    """The same without a word about it."""
    if path is not None:
        return path
    try:
        paths: list[str] = client.call("profile", timeout=ASK_SECONDS)["paths"]
    except ApplianceError:
        return None
    return paths[0] if paths else None


def open_profile(path: str | None) -> OpenProfile:
    """Open the profile that was named, or the system's. Raises ProfileInvalid with everything that is wrong."""
    gc.disable()  # a command soon ends, and of ten thousand peers two fifths of the work were looking for garbage among them
    readings: Readings = {}
    host = loading.load_plugins(places.profile_paths(path), readings=readings)
    loaded = loading.load_profile(places.profile_paths(path), host, readings=readings)
    warnings = tuple(f"plugin {fact.name}: {fact.problem}; {fact.hint}".rstrip("; ") for fact in host.broken)
    return OpenProfile(loaded.profile, tuple(map(str, loaded.files)), loaded, host, (*warnings, *loaded.warnings))


def identity_path(reference: str) -> Path | None:
    """The file of a `server.identity`; None if a plugin keeps the identity."""
    scheme, _, rest = reference.partition(":")
    return Path(unquote(rest)).expanduser() if scheme == "file" else None


def open_plugins(path: str | None) -> PluginHost:
    """The plugins that a profile names, loaded. The standard plugins if there is no profile, or if it cannot be read."""
    return loading.load_plugins(places.profile_paths(path))


def default_schema() -> dict[str, Any]:
    """The JSON Schema of profiles, with what the standard plugins and this host's own plugins add."""
    host = PluginHost.load(enabled(STANDARD_PLUGINS))
    return json_schema(host.sections, host.kinds)
