"""The languages in which there is a client: what generates it, and which files of `data/` belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

from appliance.management.clients import go, java, python, rust, typescript

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
    "rust": Language(rust.files, "", 'in Cargo.toml: appliance-client = {{ path = "{folder}" }}'),
    "typescript": Language(typescript.files, "src", "cd {folder}; npm install; npm pack"),
}


def client(name: str, document: Mapping[str, Any]) -> dict[str, str]:
    """The whole client: texts by path."""
    language = LANGUAGES[name]
    found = language.generated(document)
    for path, text in _by_hand(resources("appliance.cli.clients").joinpath("data", name), PurePosixPath(language.folder)):
        found[str(path)] = text
    return dict(sorted(found.items()))


def _by_hand(folder: Traversable, into: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    """Files of a folder of `data/` and those below it."""
    for each in folder.iterdir():
        if each.is_dir():
            yield from _by_hand(each, into / each.name)
        else:
            yield into / each.name.removesuffix(SUFFIX), each.read_text(encoding="utf-8")
