"""What is installed, and what of it is enabled. Reads names only: nothing here imports a plugin."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import NamedTuple

from appliance.api import ENTRY_POINT_GROUP
from appliance.errors import ProfileError

HOST_PLUGINS = Path("/etc/appliance/plugins.toml")
"""Plugins that every command of this host loads, whatever a profile says: `plugins = ["transport-ip", …]`."""


class Installed(NamedTuple):
    """A plugin that some distribution offers."""

    name: str
    """What profiles call it."""
    entry: EntryPoint
    """Its entry point, which names its module."""
    distribution: str
    """The distribution that offers it."""
    version: str
    """That distribution's."""
    rivals: tuple[str, ...] = ()
    """Further distributions that offer the same name."""

    def load(self) -> object:
        """Import the plugin: its module, or what its entry point names in it. Raises whatever the import raises."""
        found: object = self.entry.load()
        return found


def installed() -> dict[str, Installed]:
    """All plugins of this environment by name, imported or not."""
    found: dict[str, Installed] = {}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: (entry.name, entry.value)):
        name, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "unknown")
        first = found.get(entry.name)
        if first is None:
            found[entry.name] = Installed(entry.name, entry, name, version)
        else:
            found[entry.name] = first._replace(rivals=(*first.rivals, name))
    return found


def groups_with(name: str) -> frozenset[str]:
    """The groups of entry points that have a plugin of that name, for other versions of the API."""
    return frozenset(entry.group for entry in entry_points(name=name))


def enabled(named: Iterable[str], host_file: Path = HOST_PLUGINS) -> tuple[str, ...]:
    """Names to load: the host's own first, then what a profile names; each once. Raises ProfileError for a bad file."""
    return tuple(dict.fromkeys((*_of_the_host(host_file), *named)))


def _of_the_host(path: Path) -> list[str]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, PermissionError):  # what this user may not read is not for its commands and nodes
        return []
    except (OSError, ValueError) as error:
        raise ProfileError(f"{path}: {error}", hint='write plugins = ["name", …], or remove the file') from error
    return _names(content, path)


def _names(content: Mapping[str, object], path: Path) -> list[str]:
    names = content.get("plugins", [])
    unknown = sorted(set(content) - {"plugins"})
    if unknown or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        wrong = f"unknown key {unknown[0]!r}" if unknown else "plugins is no list of names"
        raise ProfileError(f"{path}: {wrong}", hint='the file has one key: plugins = ["name", …]')
    return names
