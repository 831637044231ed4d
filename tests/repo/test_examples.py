"""The example plugins are strangers: what they use of the appliance is what anybody may use."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples/plugins").glob("*/pyproject.toml"))
PUBLIC = {"src": ("appliance.api",), "tests": ("appliance.api", "appliance.testing")}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("part", PUBLIC)
def test_an_example_imports_what_is_public(example: Path, part: str) -> None:
    used = {name for file in (example / part).rglob("*.py") for name in imports(file) if name.split(".")[0] == "appliance"}
    assert used, "it uses the appliance"
    assert not {name for name in used if not any(f"{name}.".startswith(f"{public}.") for public in PUBLIC[part])}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_no_part_of_the_workspace(example: Path) -> None:
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    assert not [member for member in workspace if example in ROOT.glob(member)]
    assert example.name not in (ROOT / ".importlinter").read_text()
