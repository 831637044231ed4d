"""What the project promises of its code as a whole: nothing pretended, all typed, reached by tests, in one pair of hands."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
MAKEFILE = (ROOT / "Makefile").read_text()
PRODUCT = [
    *(path for path in (ROOT / "appliance").rglob("*.py") if "testing" not in path.relative_to(ROOT).parts),
    *(ROOT / "plugins").glob("*/src/**/*.py"),
]
OF_ONE_OWNER = ("wire", "protocol", "dataplane", "worker")


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def imports(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name):
            yield node.id


def test_nothing_in_the_product_is_pretended() -> None:
    assert len(PRODUCT) > 200
    for path in PRODUCT:
        if not re.search(r"(?i)unittest|testing|mock|fake|dummy|stub", path.read_text()):
            continue  # nor is such a name in its syntax tree, which takes long to build
        assert not [name for name in imports(path) if name.startswith(("unittest", "appliance.testing"))], path
        assert not [name for name in names(path) if re.search(r"(?i)mock|(^|_)(fake|dummy|stub)", name)], path


def test_nothing_in_the_product_is_left_for_later() -> None:
    for path in PRODUCT:
        assert not re.search(r"NotImplementedError|\b(TODO|FIXME|XXX)\b", path.read_text()), path


def test_every_line_of_the_product_is_typed() -> None:
    assert PROJECT["mypy"]["strict"]
    assert not {"exclude", "ignore_errors"} & PROJECT["mypy"].keys()
    for override in PROJECT["mypy"]["overrides"]:  # libraries without types, and nothing of ours
        assert not [module for module in override["module"] if module.startswith("appliance")]
        assert "ignore_errors" not in override
    products = subprocess.run(["make", "-n", "types"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"appliance", *(str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/*/src/*"))} <= set(products.split())


def test_four_of_five_lines_are_reached_by_a_test() -> None:
    gate = re.search(r"^test: .*\n(?:\t.*\n)*?\t.*--cov-report=html --cov-fail-under=(\d+)", MAKEFILE, re.MULTILINE)
    assert gate is not None
    assert int(gate[1]) >= 80
    run = PROJECT["coverage"]["run"]
    assert {"appliance", *(path.name for path in ROOT.glob("plugins/*/src/*"))} == set(run["source_pkgs"])
    assert not {"omit", "include"} & {*run, *PROJECT["coverage"]["report"]}
    assert PROJECT["coverage"]["html"]["directory"] == "build/coverage"


@pytest.mark.parametrize("room", OF_ONE_OWNER)
def test_sessions_and_packets_have_one_owner_and_no_lock(room: str) -> None:
    """Each is in the hands of one loop of one process; another worker is handed packets, never a table."""
    paths = sorted((ROOT / "appliance" / room).glob("*.py"))
    assert paths
    for path in paths:
        assert not [name for name in imports(path) if name.split(".")[0] in {"threading", "multiprocessing", "concurrent"}], path
        assert not [name for name in names(path) if re.search(r"Lock$|Semaphore$", name)], path


@pytest.mark.parametrize("args", ["-s", "-k replay", "tests/unit/wire/test_envelope.py"])
def test_one_test_is_run_by_the_same_word_as_all(args: str) -> None:
    shown = subprocess.run(["make", "-n", "test", f"args={args}"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"-m pytest .* {re.escape(args)}$", shown, re.MULTILINE)


def test_the_size_of_each_room_is_told() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs/size.py"], capture_output=True, text=True, check=True)
    rows = {
        cells[0]: [int(cell) for cell in cells[1:]]
        for line in done.stdout.splitlines()[2:]
        if (cells := line.strip("| ").split(" | "))
    }
    rooms = {f"appliance/{path.name}" for path in (ROOT / "appliance").iterdir() if (path / "__init__.py").exists()}
    assert rooms < rows.keys()
    files, lines, code, longest = rows.pop("together")
    assert files == sum(row[0] for row in rows.values())
    assert code == sum(row[2] for row in rows.values())
    assert 0 < longest <= code < lines


def test_the_examples_and_the_profiles_are_where_they_are_looked_for() -> None:
    for name in (
        "README.md",
        "examples/README.md",
        "examples/test_client.py",
        "profiles/hub.toml",
        "appliance/protocol",
        "appliance/wire",
    ):
        assert (ROOT / name).exists(), name
