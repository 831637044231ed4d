"""A plugin's folder as its author has it: what its pyproject.toml says without building anything."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.api import ENTRY_POINT_GROUP
from appliance.errors import ApplianceError, ExitCode
from appliance.plugin_host.installed import Installed

NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
"""Of a distribution: packaging.python.org, "Names and normalization"."""
VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]*")
"""What PEP 440 is written with; whoever builds the project judges the rest."""


class NoPlugin(ApplianceError):
    """What was named is no plugin."""

    exit_code = ExitCode.INVALID


class Project(NamedTuple):
    """A folder with a pyproject.toml that declares plugins."""

    folder: Path
    name: str
    """The distribution's."""
    version: str
    """"0" when the build decides it."""
    entries: Mapping[str, str]
    """Plugins by name, each with what its entry point names."""
    dependencies: tuple[str, ...]

    @property
    def source(self) -> Path:
        """The folder that its packages are in."""
        own = self.folder / "src"
        return own if own.is_dir() else self.folder

    def installed(self) -> dict[str, Installed]:
        """Its plugins as if they were installed, for a process that has `source` on its path."""
        return {
            name: Installed(name, EntryPoint(name, value, ENTRY_POINT_GROUP), self.name, self.version)
            for name, value in self.entries.items()
        }

    def write_metadata(self, folder: Path) -> None:
        """Make the project known to every process that has `folder` on its path."""
        known = folder / f"{self.name.replace('-', '_')}-{self.version}.dist-info"
        known.mkdir(parents=True)
        entries = "".join(f"{name} = {value}\n" for name, value in self.entries.items())
        (known / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n", encoding="utf-8")
        (known / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{entries}", encoding="utf-8")


def read(folder: Path) -> Project:
    """Raises NoPlugin for a folder that is none."""
    path = folder / "pyproject.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoPlugin(
            f"{folder} has no pyproject.toml", hint="name the folder of a plugin, as `appliance plugin new` writes one"
        ) from error
    except OSError as error:
        raise NoPlugin(f"{path}: {(error.strerror or str(error)).lower()}", hint="name the folder of a plugin") from error
    except ValueError as error:
        raise NoPlugin(f"{path}: {error}", hint="mend the file") from error
    project = _table(content, "project")
    entries = _table(_table(project, "entry-points"), ENTRY_POINT_GROUP)
    if not isinstance(project.get("name"), str) or not entries:
        raise NoPlugin(
            f"{path} has no [project.entry-points.{ENTRY_POINT_GROUP!r}]",
            hint="a plugin declares itself there, see docs/plugins.md",
        )
    dependencies = project.get("dependencies", [])
    version = project.get("version", "0")
    if wrong := _wrong(project["name"], version, entries, dependencies):
        raise NoPlugin(f"{path}: {wrong}", hint="mend the file")
    return Project(folder.resolve(), project["name"], version, dict(entries), tuple(dependencies))


def _wrong(name: str, version: object, entries: Mapping[str, Any], dependencies: object) -> str:
    """What of a project cannot be, as a sentence about its file; empty when all can. A name becomes a file's."""
    if not NAME.fullmatch(name):
        return f"name {name!r} is no name of a distribution"
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        return f"version {version!r} is no version"
    if not isinstance(dependencies, list) or not all(isinstance(each, str) for each in dependencies):
        return "dependencies is no list of texts"
    for entry, value in entries.items():
        if not isinstance(value, str) or not f"{entry}{value}".isprintable():
            return f"entry point {entry!r} is no line of text"
    return ""


def _table(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = content.get(key, {})
    return found if isinstance(found, Mapping) else {}
