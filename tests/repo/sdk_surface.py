"""The public surface of `appliance.sdk` as text: `python -m tests.repo.sdk_surface` writes it anew.

What a program imports by name, and what these give it: signatures, fields, members.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import appliance.sdk
from tests.repo.surface import of_module, of_thing

FILE = Path(__file__).parent / "sdk-1.txt"
GIVEN = (
    "blocking",
    "instances",
    "mesh",
    "metrics",
    "offering",
    "peers",
    "resilience.pool",
    "service",
    "spans",
    "topic",
    "local.tunnel",
)
"""Modules whose objects come from calls of `Client`, or that are imported by name."""


def surface() -> str:
    """The whole text."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "appliance.sdk"
    for name in sorted(appliance.sdk.__all__):
        yield from (f"  {line}" for line in of_thing(name, getattr(appliance.sdk, name)))
    for name in GIVEN:
        module = importlib.import_module(f"appliance.sdk.{name}")
        yield f"\n{module.__name__}"
        yield from (f"  {line}" for line in of_module(module) if not line.split(":")[0].isupper())


if __name__ == "__main__":
    FILE.write_text(surface(), encoding="utf-8")
