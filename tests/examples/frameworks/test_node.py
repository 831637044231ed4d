"""The samples for Express and for NestJS: compiled against the generated client, and run at a real node."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from appliance.cli import main
from examples.management import trial
from tests.clients.driver import done
from tests.examples.frameworks.story import application, judge

SAMPLES = Path(__file__).parents[3] / "examples/frameworks"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs Node.js and npm"),
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both samples, and the client that they stand on, side by side."""
    folder = tmp_path_factory.mktemp("frameworks")
    assert main(["generate-client", "typescript", "--output", str(folder / "client")]) == 0
    for name in ("express", "nestjs"):
        shutil.copytree(SAMPLES / name, folder / name, ignore=shutil.ignore_patterns("node_modules", "dist"))
    for name in ("client", "express", "nestjs"):
        done(["npm", "install", "--silent", "--no-audit", "--no-fund"], folder / name)
        done(["npm", "run", "--silent", "prepack"], folder / name)
    return folder


@pytest.mark.parametrize("name", ["express", "nestjs"])
def test_a_sample_at_a_real_node(name: str, shelf: Path) -> None:
    with trial() as (port, code, _), application(["node", "dist/example.js"], shelf / name, f"http://127.0.0.1:{port}") as url:
        judge(url, port, code)
