"""Where plugins are installed, and whose folders are believed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from appliance.foundation import plugin_folders


@pytest.mark.parametrize(
    ("prefix", "directory"),
    [
        ("/usr/lib/appliance/venv", "/usr/local/lib/appliance/plugins"),
        ("/usr", "/usr/local/lib/appliance/plugins"),
        ("/usr/local", "/usr/local/lib/appliance/plugins"),
        ("/home/ann/appliance/.venv", "/home/ann/appliance/.venv/lib/appliance/plugins"),
    ],
)
def test_below_usr_a_package_upgrade_finds_nothing_to_replace(
    prefix: str, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", prefix)
    assert plugin_folders.directory() == directory


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for folder in ("appliance/plugins/one", "appliance/plugins/.work-two"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "appliance/plugins/file").touch()
    return tmp_path / "appliance/plugins"


def test_a_folder_comes_behind_what_the_environment_has(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [*sys.path]
    monkeypatch.setattr(sys, "path", [*before])
    plugin_folders.use(str(base))
    plugin_folders.use(str(base))
    assert sys.path == [*before, str(base / "one")]


@pytest.mark.parametrize("path", ["one", ".", ".."])
def test_what_others_may_write_is_not_used(base: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [*sys.path]
    monkeypatch.setattr(sys, "path", [*before])
    (base / path).chmod(0o775)
    plugin_folders.use(str(base))
    assert sys.path == before
    assert "can be written by others" in plugin_folders.distrusted(str(base / "one"), str(base))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_somebody_else_owns_is_not_used(base: Path) -> None:
    os.chown(base / "one", 4711, 0)
    assert plugin_folders.distrusted(str(base / "one"), str(base)) == f"{base / 'one'} belongs to user 4711"


def test_a_link_out_of_the_directory_is_not_used(base: Path, tmp_path: Path) -> None:
    (base / "two").symlink_to(tmp_path)
    assert "is no directory" in plugin_folders.distrusted(str(base / "two"), str(base))


def test_without_the_directory_there_are_none(tmp_path: Path) -> None:
    assert plugin_folders.folders(str(tmp_path / "nowhere")) == []
