"""Traps of this tree that were met once and need not be met again."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELVES = ("plugins", "profiles", "schemas", "tests", "packaging")


@pytest.mark.parametrize("shelf", SHELVES)
def test_a_shelf_is_no_package(shelf: str) -> None:
    assert not (ROOT / shelf / "__init__.py").exists()


def test_every_package_of_the_core_says_what_it_is() -> None:
    packages = {path.parent for path in (ROOT / "appliance").rglob("*.py") if "data" not in path.parts}
    silent = [str(package) for package in packages if not (package / "__init__.py").is_file()]
    assert not silent


def test_the_tree_has_its_parts() -> None:
    rooms = ("appliance/sdk", "appliance/protocol", "plugins", "profiles", "schemas", "examples", "docs", "tests", "packaging")
    assert not [room for room in rooms if not (ROOT / room).is_dir()]


def test_there_are_twenty_words_of_make_and_each_is_told() -> None:
    rules = re.findall(r"^([a-z][a-z-]*):(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = [word for word, rest in rules if "## " in rest]
    assert len(told) >= 20
    assert {word for word, _ in rules} == set(told)


def test_the_licence_is_mit() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")
    for project in [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]:
        assert tomllib.loads(project.read_text())["project"]["license"] == "MIT", project


def test_the_lock_names_the_public_index_only() -> None:
    lock = (ROOT / "uv.lock").read_text()
    assert set(re.findall(r'registry = "([^"]+)"', lock)) == {"https://pypi.org/simple"}
    assert set(re.findall(r'url = "(https?://[^/]+)', lock)) == {"https://files.pythonhosted.org"}


def test_no_file_is_a_giant() -> None:
    paths = [path for tree in ("appliance", "plugins", "tests", "examples") for path in (ROOT / tree).rglob("*.py")]
    giants = {str(path.relative_to(ROOT)): lines for path in paths if (lines := len(path.read_text().splitlines())) > 600}
    assert not giants, "look for the second noun"


FRAGMENT = re.compile(r"[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md")


@pytest.mark.parametrize("path", [p for p in (ROOT / "changes").iterdir() if p.name != "README.md"], ids=lambda p: p.name)
def test_a_fragment_tells_the_admin(path: Path) -> None:
    assert FRAGMENT.fullmatch(path.name), "SHORT-NAME.KIND.md, see changes/README.md"
    lines = path.read_text().splitlines()
    assert 1 <= len(lines) <= 5
    assert all(lines), "no empty lines: a fragment is one item of a list"
    assert lines[-1].endswith(".")


def test_decisions_are_numbered_once() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs/adr").glob("[0-9]*.md")]
    assert len(numbers) == len(set(numbers))
