"""Each client is generated, compiled, and run against a live node. `make clients` runs all, and installs what they need."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.cli.clients.languages import LANGUAGES
from tests.clients.driver import done
from tests.clients.languages import DRIVERS
from tests.clients.story import expected, scene


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with scene(tmp_path_factory.mktemp("scene")) as file:
        yield file


def test_every_language_that_can_be_generated_is_run() -> None:
    assert list(DRIVERS) == list(LANGUAGES)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if driver.slow else []) for name, driver in DRIVERS.items()]
)
def test_a_generated_client_tells_the_whole_story(name: str, stage: Path, tmp_path: Path) -> None:
    driver = DRIVERS[name]
    if driver.missing:
        pytest.skip(f"needs {', '.join(driver.missing)}: run packaging/setup.sh clients")
    client, work = tmp_path / "client", tmp_path / "work"
    assert main(["generate-client", name, "--output", str(client)]) == 0
    work.mkdir()
    command = driver.built(client, work)
    told = json.loads(done([*command, stage], work, {**os.environ, "NO_PROXY": "*"}))
    assert told == expected(driver.abilities)
