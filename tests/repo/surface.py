"""The public surface of the plugin API as text: `python -m tests.repo.surface` writes it anew.

Each public name of `appliance.api` and `appliance.testing`, with its signature, fields and defaults; protocols and suites with
their members. Keys of profiles are not in it: their description is schemas/.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from appliance import api, testing
from appliance.testing.conformance.limits import members

FILE = Path(__file__).parent / f"api-{api.API_VERSION}.txt"
OURS = frozenset(f"appliance.testing.{name}" for name in ("check", "lab_check", "imports", "network", "pair", "simulated_host"))
"""For the core's own tests, or run as programs: they show what only the core knows."""


def surface() -> str:
    """The whole text."""
    lines = [f"version {api.API_VERSION}.{api.API_MINOR}"]
    for package in (api, testing):
        for module in _modules(package):
            lines += ["", module.__name__, *(f"  {line}" for line in of_module(module))]
    return "\n".join(lines) + "\n"


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for info in sorted(pkgutil.walk_packages(package.__path__, f"{package.__name__}."), key=lambda info: info.name):
        if info.name not in OURS:
            yield importlib.import_module(info.name)


def of_module(module: ModuleType) -> Iterator[str]:
    for name, thing in vars(module).items():
        here = getattr(thing, "__module__", module.__name__) == module.__name__
        if not name.startswith("_") and name != "TYPE_CHECKING" and here and not isinstance(thing, ModuleType):
            yield from of_thing(name, thing)


def of_thing(name: str, thing: Any) -> Iterator[str]:
    if inspect.isclass(thing):
        yield f"class {name}{_bases(thing)}"
        yield from (f"  {line}" for line in _of_class(thing))
    elif inspect.isfunction(thing):
        yield f"{name}{_signature(thing)}"
    elif name.isupper() and isinstance(thing, int | str | float | tuple | frozenset | dict):
        yield f"{name}: {type(thing).__name__}"
    elif not name.isupper() and name[0].isupper():
        yield f"type {name}"


def _bases(thing: type) -> str:
    ours = [base.__name__ for base in thing.__bases__ if base.__module__.startswith("appliance.")]
    return f"({', '.join(ours)})" if ours else ""


def _of_class(thing: Any) -> Iterator[str]:
    if issubclass(thing, enum.Enum):
        yield ", ".join(f"{member.name}={member.value!r}" for member in thing)
    elif hasattr(thing, "_fields"):
        for field in thing._fields:
            yield _field(thing, field, field in thing._field_defaults)
    elif dataclasses.is_dataclass(thing):
        for each in dataclasses.fields(thing):
            optional = each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
            yield _field(thing, each.name, optional)
    elif getattr(thing, "_is_protocol", False):
        for member in members(thing):
            yield _member(thing, member)
        return
    for name in vars(thing):
        if not name.startswith(("_", "test_", "model_")) and callable(getattr(thing, name, None)):
            yield _member(thing, name)


def _field(thing: Any, name: str, optional: bool) -> str:
    annotation = thing.__annotations__.get(name, "?")
    return f"{name}: {getattr(annotation, '__forward_arg__', annotation)}{' = …' if optional else ''}"


def _member(thing: Any, name: str) -> str:
    member = inspect.getattr_static(thing, name, None)
    if isinstance(member, staticmethod | classmethod):
        member = member.__func__
    if isinstance(member, property):
        return f"{name} -> {inspect.signature(member.fget).return_annotation}" if member.fget else name
    return f"{name}{_signature(member)}" if inspect.isfunction(member) else name


def _signature(thing: Any) -> str:
    """Without the quotes of annotations that are not looked up."""
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))


if __name__ == "__main__":
    FILE.write_text(surface(), encoding="utf-8")
