"""A key that an admin may write does something: the product reads it where it acts, not only where it is loaded or shown."""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from appliance.api.profile import Profile

CORE = Path(__file__).parents[2] / "appliance"
ACTING = (
    "api",
    "api_server",
    "apply",
    "dataplane",
    "linux",
    "planning",
    "plugin_host",
    "policy",
    "protocol",
    "runtime",
    "worker",
)
LOADING_ONLY = {"profile"}
"""The format's version is the loader's own affair."""


def test_every_key_of_the_profile_is_read_somewhere() -> None:
    read = set(reads())
    unread = [key for key, owners, leaf in leaves(Profile) if not any((owner, leaf) in read for owner in owners)]
    assert set(unread) == LOADING_ONLY


def leaves(
    model: type[BaseModel], path: str = "", owners: frozenset[str] = frozenset({"profile"})
) -> Iterator[tuple[str, frozenset[str], str]]:
    """Each key that holds a value: where it is, what code calls the thing that has it, and its attribute."""
    for name, field in model.model_fields.items():
        inner = [part for part in parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        for section in inner:
            kind = section.__name__.removesuffix("Entry").removesuffix("Section").lower()
            entry = frozenset({"entry"} if section.__name__.endswith("Entry") else ())
            yield from leaves(section, f"{path}{name}.", entry | {name, kind})
        if not inner:
            yield f"{path}{name}", owners, name


def parts(annotation: object) -> Iterator[object]:
    yield annotation
    for argument in typing.get_args(annotation):
        yield from parts(argument)


def reads() -> Iterator[tuple[str, str]]:
    """(owner, attribute) for each `owner.attribute` and `….owner.attribute` in the parts that act."""
    for package in ACTING:
        for path in (CORE / package).rglob("*.py"):
            if path == CORE / "api" / "profile.py":
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute | ast.Name):
                    owner = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
                    yield owner, node.attr
