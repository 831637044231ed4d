"""A plugin's folder as its author has it: what its pyproject.toml says without building anything."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, NamedTuple

from appliance.api import ENTRY_POINT_GROUP
from appliance.errors import ApplianceError, ExitCode
from appliance.plugin_host.installed import Installed


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
    except ValueError as error:
        raise NoPlugin(f"{path}: {error}", hint="mend the file") from error
    project = _table(content, "project")
    entries = _table(_table(project, "entry-points"), ENTRY_POINT_GROUP)
    if not isinstance(project.get("name"), str) or not entries:
        raise NoPlugin(
            f"{path} has no [project.entry-points.{ENTRY_POINT_GROUP!r}]",
            hint="a plugin declares itself there, see docs/plugins.md",
        )
    dependencies = tuple(map(str, project.get("dependencies", ())))
    return Project(folder.resolve(), project["name"], str(project.get("version", "0")), dict(entries), dependencies)


def _table(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = content.get(key, {})
    return found if isinstance(found, Mapping) else {}
