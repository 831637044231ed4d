from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import HostError, MissingPrivilege
from appliance.lab.guests import debian, images, programs
from appliance.lab.guests.cache import Cache


@pytest.mark.parametrize(("suite", "arch"), [("buster", "amd64"), ("bookworm", "riscv64"), ("../x", "amd64")])
def test_what_there_is_no_image_of_is_refused_with_what_there_is(suite: str, arch: str) -> None:
    with pytest.raises(HostError, match=f"no guests with {suite} on {arch}") as caught:
        images.make(suite, arch, None)
    assert caught.value.hint == "there are bookworm, trixie on amd64, arm64"


def test_it_takes_root_and_not_the_root_of_a_user_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "ALL_USERS", ["0", "1000", "1"])
    with pytest.raises(MissingPrivilege, match="takes root"):
        images.make("bookworm", "amd64", None)


def test_a_package_that_is_not_there_is_told_before_anything_is_made(as_root: None, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="there is no package"):
        images.make("bookworm", "amd64", tmp_path / "appliance.deb")
    assert not (tmp_path / "cache").exists()


def test_a_missing_program_is_told_before_anything_is_made(
    as_root: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(programs, "PATH", str(tmp_path))
    with pytest.raises(HostError, match="virtual machines need mmdebstrap"):
        images.make("bookworm", "amd64", None)
    assert not (tmp_path / "cache").exists()


def test_what_is_there_is_not_waited_for(as_root: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another lab may be making another image meanwhile."""
    monkeypatch.setattr(programs, "require", lambda _: None)
    order = images._Order("trixie", "arm64", None, debian.packages("arm64", []), Cache(tmp_path / "cache/appliance/guests"))
    with order.store.alone(print):
        (order.store.folder / "key").write_text("private")
        (order.store.folder / "key.pub").write_text("public")
        assert order.found() is None
        (order.store.folder / order._name).mkdir()
        (order.store.folder / order._name / "disk.qcow2").touch()
        made = images.make("trixie", "arm64", None, say=refuse)
    assert (made.disk, made.snapshot) == (order.store.folder / order._name / "disk.qcow2", None)


def test_what_was_used_longest_ago_goes_and_other_releases_stay(tmp_path: Path) -> None:
    order = images._Order("trixie", "amd64", None, debian.packages("amd64", []), Cache(tmp_path))
    names = [
        "system-bookworm-amd64-0",
        *(f"{kind}-trixie-amd64-{number}" for number in range(12) for kind in ("system", "image")),
    ]
    for used, name in enumerate(names):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (used, used))
    order.tidy()
    systems = {f"system-trixie-amd64-{number}" for number in range(8, 12)}
    disks = {f"image-trixie-amd64-{number}" for number in range(4, 12)}
    assert {path.name for path in tmp_path.iterdir()} == {names[0], *systems, *disks}


def refuse(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may be anybody; the images would be below `cache`."""
    monkeypatch.setattr(images, "_require_root", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
