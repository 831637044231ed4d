"""Imports go downwards only, and plugins stand on the public API."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


def test_floors_are_kept() -> None:
    run = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_plugin_is_left_out_of_the_floors() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    for section, option in [
        ("importlinter", "root_packages"),
        ("importlinter:contract:plugins", "source_modules"),
        ("importlinter:contract:strangers", "modules"),
    ]:
        assert {import_name(plugin) for plugin in PLUGINS} == set(config[section][option].split()) - {"appliance"}, section


def test_every_contract_gives_its_reason() -> None:
    lines = (ROOT / ".importlinter").read_text().splitlines()
    bare = [line for before, line in pairwise(lines) if line.startswith("[") and not before.startswith("# ")]
    assert not bare


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
def test_a_plugin_imports_only_the_public_api(plugin: Path) -> None:
    for path in (plugin / "src").rglob("*.py"):
        assert not [name for name in core_imports(path) if not name.startswith("appliance.api")], path
    for path in (plugin / "tests").rglob("*.py"):
        allowed = ("appliance.api", "appliance.testing")
        assert not [name for name in core_imports(path) if not name.startswith(allowed)], path


def core_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "appliance")
        elif isinstance(node, ast.ImportFrom) and node.module == "appliance":
            yield from (f"appliance.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "appliance":
            yield node.module


def import_name(plugin: Path) -> str:
    name: str = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["name"]
    return name.replace("-", "_")
