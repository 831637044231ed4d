"""What tests of distributions stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs import packaged


@pytest.fixture(scope="session")
def uv() -> str:
    """The program uv."""
    return packaged.uv()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A wheel of every distribution of ours."""
    return packaged.wheels(tmp_path_factory.mktemp("wheels"))
