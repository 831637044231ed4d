"""What tests of distributions stand on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def uv() -> str:
    """The program uv."""
    found = shutil.which(os.environ.get("UV", "uv")) or shutil.which(ROOT / ".tools/bin/uv")
    if found is None:
        pytest.skip("needs uv (make setup)")
    return found


@pytest.fixture(scope="session")
def wheels(uv: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A wheel of every distribution of ours."""
    out = tmp_path_factory.mktemp("wheels")
    subprocess.run([ROOT / "packaging/wheels.sh", out], env={**os.environ, "UV": uv}, check=True)
    return sorted(out.glob("*.whl"))
