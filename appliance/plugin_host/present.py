"""What is here already: distributions of the appliance's environment, and the folders of installed plugins."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from appliance.foundation import plugin_folders


def canonical(name: str) -> str:
    """A distribution's name in the one form that it is compared in (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def record(folder: Path) -> Mapping[str, Any]:
    """What was written down when the plugin in `folder` was installed; empty when that cannot be read."""
    try:
        found = json.loads((folder / plugin_folders.RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}


def folder_of(name: str, base: Path) -> Path | None:
    """Where the plugin or distribution `name` was put; None when it was not."""
    for folder in map(Path, plugin_folders.folders(str(base))):
        if folder.name == canonical(name) or name in record(folder).get("plugins", ()):
            return folder
    return None


def names(base: Path) -> list[str]:
    """The plugins in the folders of `base`."""
    return [name for folder in plugin_folders.folders(str(base)) for name in record(Path(folder)).get("plugins", ())]


def own(base: Path) -> dict[str, str]:
    """Versions of the environment's own distributions by canonical name."""
    return _versions(_of_the_environment(base))


def versions(base: Path, besides: str) -> dict[str, str]:
    """Versions of all that a process of the appliance finds, by canonical name, but for what came with the plugin `besides`."""
    others = [folder for folder in plugin_folders.folders(str(base)) if Path(folder).name != canonical(besides)]
    return _versions(distributions(path=others)) | own(base)


def _of_the_environment(base: Path) -> Iterable[Distribution]:
    folders = plugin_folders.folders(str(base))
    linked = {line for folder in folders for file in Path(folder).glob("*.pth") for line in file.read_text().splitlines()}
    return distributions(path=[path for path in sys.path if path not in linked and path not in folders])


def _versions(found: Iterable[Distribution]) -> dict[str, str]:
    versions: dict[str, str] = {}
    for distribution in found:
        if distribution.name and distribution.version:
            versions.setdefault(canonical(distribution.name), distribution.version)
    return versions
