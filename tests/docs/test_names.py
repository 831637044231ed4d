"""Files, modules and keys that the documents name are there."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import appliance
from appliance.management.iam.roles import OF_THE_API_SERVER, PERMISSIONS
from appliance.profile import schema as profile_schema
from tests.docs.markdown import DOCUMENTS, ROOT

PACKAGES = {path.parent.name for path in Path(appliance.__path__[0]).glob("*/__init__.py")}
SHELVES = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - {"build", "dist"}

by_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@cache
def of_profiles() -> dict[str, Any]:
    return profile_schema.json_schema()


def quoted(document: Path, pattern: str) -> set[str]:
    return set(re.findall(f"`{pattern}`", document.read_text()))


@by_document
def test_a_file_that_is_named_exists(document: Path) -> None:
    named = {path for path in quoted(document, r"(?:\.\./)*([a-z][\w.-]*/[\w./-]*)") if path.split("/")[0] in SHELVES}
    # files are also named from the core's own folder and, where it is about plugins, from that of a plugin
    roots = (ROOT, ROOT / "appliance", ROOT / "plugins/routing-static")
    assert not {path for path in named if not any((root / path).exists() for root in roots)}


@by_document
def test_a_module_that_is_named_exists(document: Path) -> None:
    missing = set()
    for name in quoted(document, r"(?:appliance\.)?([a-z_]+(?:\.\w+)+)(?:\(\w*\))?"):
        if name.split(".")[0] in PACKAGES and not exists(f"appliance.{name}"):
            missing.add(name)
    assert not {name for name in missing if not is_key(name) and name not in PERMISSIONS}


def exists(name: str) -> bool:
    """Is it a module, or something in one?"""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute, None)
        return found is not None
    return False


@by_document
def test_a_key_that_is_named_exists(document: Path) -> None:
    sections = set(of_profiles()["properties"]) - PACKAGES - {"name", "profile"}
    named = quoted(document, r"([a-z_]+(?:\[\])?\.[a-z_.]+?(?:\[\])?)(?:: [^`]*)?")
    named -= set(PERMISSIONS) | set(OF_THE_API_SERVER)
    assert not {key for key in named if key.split(".")[0].removesuffix("[]") in sections and not is_key(key)}


def test_every_package_has_its_floor() -> None:
    table = re.findall(r"^\| \d+ \| (.*?) \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    floors = [set(re.findall(r"`(\w+)`", row)) - {"daemon"} for row in table]
    layers = (ROOT / ".importlinter").read_text().split("layers =")[1].split("\n\n")[0].strip().splitlines()
    assert floors == [set(re.findall(r"(?<!\()\b\w+", layer)) & {*PACKAGES, "errors"} for layer in layers]
    assert set().union(*floors) == PACKAGES - {"testing"} | {"errors"}


def test_a_decision_is_cited_by_its_number() -> None:
    titles = {path.name[:4]: path.read_text().splitlines()[0] for path in (ROOT / "docs/adr").glob("*.md")}
    assert not [title for number, title in titles.items() if not title.startswith(f"# {int(number)}. ")]
    sources = [
        path.read_text()
        for tree in ("appliance", "plugins", "packaging")
        for path in (ROOT / tree).rglob("*.*")
        if path.suffix in {".py", ".sh"}
    ]
    assert {number for source in sources for number in re.findall(r"docs/adr/(\d{4})", source)} <= set(titles)


def is_key(path: str) -> bool:
    """Is it a key of a profile, written with dots?"""
    schema = of_profiles()
    node = schema
    for key in path.replace("[]", "").split("."):
        node = node["properties"].get(key) if "properties" in node else node
        if node is None:
            return False
        node = node.get("items", node)
        node = next((choice for choice in node.get("anyOf", ()) if "$ref" in choice), node)
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return True
