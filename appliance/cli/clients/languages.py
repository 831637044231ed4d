"""The languages in which there is a client: what generates it, and which files of `data/` belong to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files as resources
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

from appliance.management.clients import go, java, python, typescript

SUFFIX: Final = ".in"
"""Of files in `data/`: they are not part of this program."""


class Language(NamedTuple):
    """One language."""

    generated: Callable[[Mapping[str, Any]], dict[str, str]]
    """Texts by path, from a description in OpenAPI 3.1."""
    folder: str
    """Where the files of `data/` go."""
    next: str
    """What to do with the result."""


LANGUAGES: Final[Mapping[str, Language]] = {
    "go": Language(go.files, "", f"go mod edit -replace {go.MODULE}={{folder}}"),
    "java": Language(java.files, java.FOLDER, "cd {folder}; mvn package"),
    "python": Language(python.files, python.PACKAGE, "pip install {folder}"),
    "typescript": Language(typescript.files, "src", "cd {folder}; npm install; npm pack"),
}


def client(name: str, document: Mapping[str, Any]) -> dict[str, str]:
    """The whole client: texts by path."""
    language = LANGUAGES[name]
    found = language.generated(document)
    for file in resources("appliance.cli.clients").joinpath("data", name).iterdir():
        found[str(PurePosixPath(language.folder, file.name.removesuffix(SUFFIX)))] = file.read_text(encoding="utf-8")
    return dict(sorted(found.items()))
