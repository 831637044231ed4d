"""Writes a new plugin that passes its own tests untouched: `appliance plugin new NAME --kind KIND`."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from appliance import __version__
from appliance.api import API_MINOR, API_VERSION
from appliance.errors import ApplianceError, ExitCode, HostError

KINDS = ("transport", "crypto", "routing", "discovery", "monitoring", "protocol")
TEMPLATES = Path(__file__).parent / "template"
SUFFIX = ".tmpl"
"""Keeps formatters, type checkers and test collectors away from the templates."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class BadName(ApplianceError):
    """The plugin cannot be called that."""

    exit_code = ExitCode.INVALID


def create(name: str, kind: str, directory: Path | None = None) -> list[Path]:
    """Write a plugin of `kind` called `name` into `directory` (default: a new folder here). Returns the files written.

    Raises BadName for a name or kind that cannot be, HostError when the folder has something in it or cannot be written.
    """
    values = _values(name, kind)
    folder = directory if directory is not None else Path.cwd() / values["plugin"]
    files = {folder / relative: text for relative, text in _templates(kind, values)}
    try:
        if folder.exists() and any(folder.iterdir()):
            raise HostError(f"{folder} is not empty", hint="name a new folder")
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{folder}: {error.strerror}", hint="name a folder that you may write") from error
    return list(files)


def _values(name: str, kind: str) -> dict[str, str]:
    if kind not in KINDS:
        raise BadName(f"{kind!r} is no kind of plugin", hint=f"there are: {', '.join(KINDS)}")
    if not NAME.fullmatch(name):
        raise BadName(f"{name!r} is no name for a plugin", hint="small letters, digits and single dashes, for example my-plugin")
    short = name.removeprefix(f"{kind}-")
    plugin = f"{kind}-{short}"
    return {
        "name": short,
        "scheme": short.replace("-", "_"),
        "kind": kind,
        "plugin": plugin,
        "distribution": f"appliance-{plugin}",
        "package": f"appliance_{plugin.replace('-', '_')}",
        "core": __version__,
        "api": f"{API_VERSION}.{API_MINOR}",
    }


def _templates(kind: str, values: dict[str, str]) -> list[tuple[str, str]]:
    found = []
    for shelf in ("common", kind):
        for path in sorted((TEMPLATES / shelf).rglob(f"*{SUFFIX}")):
            relative = str(path.relative_to(TEMPLATES / shelf)).removesuffix(SUFFIX).replace("PACKAGE", values["package"])
            found.append((relative, _filled(path.read_text(encoding="utf-8"), values)))
    return found


def _filled(text: str, values: dict[str, str]) -> str:
    return Template(text).substitute(values)
