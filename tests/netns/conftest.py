from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.throwaway import Throwaway


@pytest.fixture
def namespace() -> Iterator[Throwaway]:
    """An empty network namespace with its loopback up."""
    with Throwaway() as made:
        yield made


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Where the journal goes; not made yet."""
    return tmp_path / "state"
