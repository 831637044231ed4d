"""Deferred modules: found at once, run at the first question, and then as if nothing had been special."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.linux.deferring import deferring

PACKAGE = {
    "__init__.py": "import runs\nruns.log('package')\nfrom pantry.shelf import jam\n",
    "shelf.py": "import runs\nruns.log('shelf')\njam = 'jam'\n",
    "cellar.py": "import runs\nruns.log('cellar')\nwine = 'wine'\nif not runs.lit: raise RuntimeError('dark')\n",
}
RUNS = "seen = []\nlit = True\nlog = seen.append\n"


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What has run of the package `pantry`, in order."""
    (tmp_path / "pantry").mkdir()
    for name, text in PACKAGE.items():
        (tmp_path / "pantry" / name).write_text(text)
    (tmp_path / "runs.py").write_text(RUNS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("runs").seen
    for name in [name for name in sys.modules if name == "runs" or name.partition(".")[0] == "pantry"]:
        del sys.modules[name]


def test_a_module_runs_when_it_is_asked_for_a_name_and_once(seen: list[str]) -> None:
    with deferring("pantry"):
        pantry = importlib.import_module("pantry")
    assert seen == []
    assert pantry.jam == "jam"
    assert pantry.jam == "jam"
    assert seen == ["package", "shelf"]
    with pytest.raises(AttributeError, match="module 'pantry' has no attribute 'honey'"):
        _ = pantry.honey


def test_a_submodule_does_not_run_its_package(seen: list[str]) -> None:
    with deferring("pantry"):
        from pantry import shelf  # type: ignore[import-not-found]

        assert shelf.jam == "jam"
        assert importlib.import_module("pantry.cellar").wine == "wine"
    assert seen == ["shelf", "cellar"]


def test_only_what_is_named_is_deferred_and_only_meanwhile(seen: list[str]) -> None:
    with deferring("pantry.shelf"):
        importlib.import_module("pantry")
    assert seen == ["package", "shelf"]
    importlib.import_module("pantry.cellar")
    assert seen[-1] == "cellar"


def test_a_module_that_fails_says_so_each_time(seen: list[str]) -> None:
    importlib.import_module("runs").lit = False
    with deferring("pantry.cellar"):
        cellar = importlib.import_module("pantry.cellar")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="dark"):
            _ = cellar.bread
    importlib.import_module("runs").lit = True
    assert cellar.wine == "wine"


def test_whichever_thread_asks_first(seen: list[str]) -> None:
    with deferring("pantry"):
        pantry = importlib.import_module("pantry")
    together, found = threading.Barrier(8), []

    def ask() -> None:
        together.wait()
        found.append(pantry.jam)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["jam"] * 8
    assert seen == ["package", "shelf"]
