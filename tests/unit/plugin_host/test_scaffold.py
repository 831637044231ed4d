"""A new plugin passes its own tests untouched, and the linter and the type checker have nothing to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.plugin_host.scaffold import KINDS, BadName, create

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy has learnt about our own modules serves the next kind."""
    return tmp_path_factory.mktemp("mypy")


def run(folder: Path, *words: str | Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
    # Our own editable install is an import hook, which a type checker does not follow. A wheel needs no path, and is not judged.
    environment["MYPYPATH"] = str(ROOT)
    environment["PYTEST_ADDOPTS"] = "-p no:schemathesis"  # here for tests of our own; it takes a second to load
    done = subprocess.run([BIN / words[0], *words[1:]], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_its_tests_untouched(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    files = create("my-own", kind, folder)
    assert folder / "pyproject.toml" in files
    assert not [path for path in files if "$" in path.read_text()]
    run(folder, "python", "-m", "pytest", "-q")
    run(folder, "ruff", "check", ".")
    run(folder, "ruff", "format", "--check", ".")


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_fully_typed(kind: str, tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "new"
    create(f"{kind}-x", kind, folder)
    run(folder, "mypy", "--cache-dir", cache, "--follow-imports=silent", "src", "tests")


def test_the_kind_is_not_said_twice(tmp_path: Path) -> None:
    create("routing-fast", "routing", tmp_path / "new")
    assert (tmp_path / "new/src/appliance_routing_fast/plugin.py").exists()


def test_by_default_the_folder_is_called_as_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create("fast", "routing")
    assert (tmp_path / "routing-fast/pyproject.toml").exists()


@pytest.mark.parametrize("name", ["", "Fast", "my plugin", "x/../y", "-x", "x-", "x--y", "1x", "x;y"])
def test_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadName):
        create(name, "routing", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadName) as caught:
        create("fast", "rooting", tmp_path / "new")
    assert "routing" in caught.value.hint


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(HostError):
        create("fast", "routing", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
