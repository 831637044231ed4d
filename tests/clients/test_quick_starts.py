"""The programs of docs/client-….md do what the pages say, against a live node, and those of the clients' own READMEs compile."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli import main
from examples.management import PASSWORD, Api, trial
from tests.clients.driver import Driver, done
from tests.clients.languages import DRIVERS

DOCS = Path(__file__).parents[2] / "docs"
FENCES = {"typescript": "javascript"}
"""Of programs, where it is not the language's name."""
COMPILED = ("go", "rust")
WITH_PAGES = {name: driver for name, driver in DRIVERS.items() if driver.program}


def each(drivers: dict[str, Driver]) -> pytest.MarkDecorator:
    marks = {name: [pytest.mark.slow] if driver.slow else [] for name, driver in drivers.items()}
    return pytest.mark.parametrize("name", [pytest.param(name, marks=marks[name]) for name in drivers])


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[Api, str]]:
    """As an admin of a live node, and where it is."""
    with trial() as (port, code, _):
        Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
        yield Api(port).log_in("alice"), f"http://127.0.0.1:{port}"


def command(name: str, text: str, folder: Path) -> list[str]:
    driver = DRIVERS[name]
    if driver.missing:
        pytest.skip(f"needs {', '.join(driver.missing)}: run packaging/setup.sh clients")
    (folder / "work").mkdir()
    assert main(["generate-client", name, "--output", str(folder / "client")]) == 0
    assert driver.program is not None
    return driver.program(folder / "client", folder / "work", text)


def program(page: str, name: str) -> str:
    (found,) = re.findall(rf"```{FENCES.get(name, name)}\n(.*?)```", page, re.DOTALL)
    return str(found)


@pytest.mark.timeout(1800)
@each(WITH_PAGES)
def test_a_quick_start_does_what_it_says(name: str, node: tuple[Api, str], tmp_path: Path) -> None:
    alice, url = node
    page = (DOCS / f"client-{name}.md").read_text()
    said = re.findall(r"```text\n(.*?)```", page, re.DOTALL)[-1]
    scopes = json.loads(re.findall(r"scopes:='(.*?)'", page)[0])
    running = command(name, program(page, name), tmp_path)
    token = alice.ask("POST", "/tokens", name=name, scopes=scopes)["token"]
    told = done(running, tmp_path, os.environ | {"APPLIANCE_URL": url, "APPLIANCE_TOKEN": token, "NO_PROXY": "*"})
    assert told == said


@pytest.mark.timeout(1800)
@each({name: DRIVERS[name] for name in COMPILED})
def test_the_program_of_a_readme_compiles(name: str, tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "appliance/cli/clients/data" / name
    assert command(name, program((folder / "README.md.in").read_text(), name), tmp_path)
