"""What programs build on: the SDK's surface is pinned, typed, and light."""

from __future__ import annotations

from pathlib import Path

import appliance.sdk
from tests.repo.sdk_surface import FILE, surface
from tests.repo.test_weight import loaded_by

HEAVY = {"cryptography", "pluggy", "pydantic", "pyroute2", "rich", "ruamel", "yaml", "tomllib", "jsonschema"}


def test_importing_it_loads_nothing_heavy() -> None:
    """Measured: asyncio is two thirds of the time that it takes."""
    assert not loaded_by("import appliance.sdk") & HEAVY


def test_the_surface_is_the_one_that_is_pinned() -> None:
    assert FILE.read_text(encoding="utf-8") == surface(), "if it is meant: python -m tests.repo.sdk_surface"


def test_it_says_that_it_is_typed() -> None:
    assert (Path(appliance.sdk.__path__[0]) / "py.typed").exists()
