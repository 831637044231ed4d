"""The files of profiles/: each is valid, and says the same in YAML and in TOML."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.profile import LoadedProfile, load
from appliance.profile.reading import read_file

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(path for path in (ROOT / "profiles").iterdir() if path.suffix in {".yaml", ".toml"})

Load = Callable[..., LoadedProfile]


def test_there_are_examples_of_both_formats() -> None:
    assert {path.suffix for path in EXAMPLES} == {".yaml", ".toml"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_yaml_toml_and_json_are_the_same_profile(path: Path, read: Load) -> None:
    profile = load([path], environ={}).profile
    document, _ = read_file(path)
    assert document is not None
    assert read(as_toml(document.tree), name="same.toml").profile == profile
    assert read(as_yaml(document.tree), name="same.yaml").profile == profile
    assert read(json.dumps(document.tree), name="same.json").profile == profile
    assert type(profile).model_validate_json(profile.model_dump_json(by_alias=True)) == profile


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_says_what_it_is_for(path: Path) -> None:
    head = path.read_text().split("profile")[0]
    assert "# " in head or path.read_text().splitlines()[1].startswith("# ")


def as_toml(tree: dict[str, Any]) -> str:
    """Tables and arrays of tables where TOML has them, so that both ways of nesting are read."""
    lines = [f"{json.dumps(key)} = {inline(value)}" for key, value in tree.items() if not is_table(value)]
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += [f"[{json.dumps(key)}]", *(f"{json.dumps(name)} = {inline(child)}" for name, child in value.items())]
        elif is_table(value):
            for row in value:
                lines += [f"[[{json.dumps(key)}]]", *(f"{json.dumps(name)} = {inline(child)}" for name, child in row.items())]
    return "\n".join(lines) + "\n"


def is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value))


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(child)}" for key, child in value.items()) + "}"
    return "[" + ", ".join(map(inline, value)) + "]" if isinstance(value, list) else json.dumps(value)


def as_yaml(value: Any, indent: str = "") -> str:
    """Block style all the way down."""
    if isinstance(value, dict) and value:
        return "".join(f"\n{indent}{json.dumps(key)}: {as_yaml(child, indent + '  ')}" for key, child in value.items())
    if isinstance(value, list) and value:
        return "".join(f"\n{indent}- {as_yaml(child, indent + '  ').lstrip()}" for child in value)
    return json.dumps(value)
