"""Which Debian package goes onto a host."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.lab.machines.machine import LabFailure
from appliance.lab.packages import FOLDER, Packages

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")


def package(folder: Path, name: str, minor: int, architecture: str = "amd64") -> Path:
    """An empty one for a minor version of Python."""
    tree = folder / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: appliance\nVersion: 1\nArchitecture: {architecture}\nMaintainer: nobody <nobody@example.invalid>\n"
        f"Depends: python3 (>= 3.{minor}), python3 (<< 3.{minor + 1})\nDescription: empty\n"
    )
    made = folder / f"appliance_{name}.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", tree, made], check=True, capture_output=True)
    return made


def test_the_newest_that_fits_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FOLDER).mkdir()
    monkeypatch.chdir(tmp_path)
    made = {name: package(tmp_path / FOLDER, name, minor) for name, minor in (("old", 11), ("new", 11), ("other", 13))}
    for seconds, name in enumerate(("old", "new", "other")):
        os.utime(made[name], (seconds, seconds))
    assert Packages().find("bookworm", "amd64").name == "appliance_new.deb"
    assert Packages().find("trixie", "amd64").name == "appliance_other.deb"
    with pytest.raises(LabFailure, match="no package for Debian trixie on arm64 in /") as caught:
        Packages().find("trixie", "arm64")
    assert "make deb suite=trixie arch=arm64" in caught.value.hint


def test_one_of_another_debian_is_refused_by_name(tmp_path: Path) -> None:
    made = package(tmp_path, "twelve", 11)
    with pytest.raises(LabFailure, match=r"appliance_twelve\.deb is not for Debian trixie on amd64"):
        Packages([made]).find("trixie", "amd64")


def test_what_is_no_package_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(LabFailure, match=r"nowhere\.deb is no Debian package that can be read: .*No such file"):
        Packages([tmp_path / "nowhere.deb"]).find("bookworm", "amd64")
    (tmp_path / "text.deb").write_text("no archive, and long enough\n")
    with pytest.raises(LabFailure, match="is no Debian package that can be read: "):
        Packages([tmp_path / "text.deb"]).find("bookworm", "amd64")
