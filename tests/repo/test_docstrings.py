"""What plugins and programs import says what it is: modules, classes, functions and methods of their two packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "appliance"
LEAST = 0.95
Described = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(name: str, node: Described) -> Iterator[tuple[str, Described]]:
    """It and what is public in it, with dotted names; what a function has inside is its own."""
    yield name, node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for inner in node.body:
            if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_"):
                yield from public(f"{name}.{inner.name}", inner)


@pytest.mark.parametrize("room", ["api", "sdk"])
def test_public_names_are_described(room: str) -> None:
    paths = sorted((PACKAGE / room).rglob("*.py"))
    found = [pair for path in paths for pair in public(str(path.relative_to(PACKAGE)), ast.parse(path.read_text()))]
    silent = [name for name, node in found if not ast.get_docstring(node)]
    assert len(found) > 200
    assert len(silent) <= (1 - LEAST) * len(found), silent
