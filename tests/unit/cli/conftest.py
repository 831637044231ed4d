"""For commands that run in the process of the tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def looking_for_garbage() -> Iterator[None]:
    """A command switches that off, since its process soon ends; this one does not."""
    yield
    gc.enable()
