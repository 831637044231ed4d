from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host, pair
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


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts on one wire, each with the other as its peer; the second calls the first."""
    with pair(tmp_path) as made:
        yield made
