from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.lab.guests import cache
from appliance.lab.guests.cache import Cache, digest
from appliance.lab.guests.image import IN_USE
from appliance.linux import locks


def test_it_is_below_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.place() == tmp_path / "appliance/guests"


def test_a_name_changes_with_each_part_and_parts_do_not_run_together() -> None:
    names = {
        digest("bookworm", "amd64"),
        digest("trixie", "amd64"),
        digest("bookworma", "md64"),
        digest("bookworm", "amd64", b""),
    }
    assert len(names) == 4
    assert digest("bookworm", "amd64") == digest(b"bookworm", b"amd64")


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "disk").write_text("a disk")

    for _ in range(2):
        assert (Cache(tmp_path).kept("image-1", make) / "disk").read_text() == "a disk"
    assert len(made) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["image-1"]


@pytest.mark.parametrize("failure", [HostError("no mirror"), KeyboardInterrupt()])
def test_nothing_half_made_stays(tmp_path: Path, failure: BaseException) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        Cache(tmp_path).kept("image-1", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_meanwhile_is_told_for_people(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "kernel"))

    with pytest.raises(HostError, match=r"image-1 cannot be made: .*No space left"):
        Cache(tmp_path).kept("image-1", fail)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_lab_left_goes_with_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "growing-image-1/root").mkdir(parents=True)
    with Cache(tmp_path).alone(print):
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_full_disk_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10 << 30, 9 << 30, 1 << 30))
    with pytest.raises(HostError, match="has 1024 MB left; making an image takes 3072") as caught:
        Cache(tmp_path).kept("image-1", nothing)
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_the_newest_stay_and_those_that_guests_run_from(tmp_path: Path) -> None:
    for age, name in enumerate(("image-new", "image-second", "image-used", "image-old", "system-old")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    lease = locks.share(tmp_path / "image-used" / IN_USE)
    assert lease is not None
    os.utime(tmp_path / "image-used", (1000, 1000))
    assert Cache(tmp_path).prune("image-*", keep=2) == ["image-old"]
    os.close(lease)
    assert Cache(tmp_path).prune("image-*", keep=2) == ["image-used"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image-new", "image-second", "system-old"]


def test_two_labs_wait_for_each_other(tmp_path: Path) -> None:
    waits = threading.Event()
    order: list[str] = []

    def second() -> None:
        with Cache(tmp_path).alone(told(waits)):
            order.append("second")

    with Cache(tmp_path).alone(print):
        other = threading.Thread(target=second)
        other.start()
        assert waits.wait(60)
        order.append("first")
    other.join(60)
    assert order == ["first", "second"]


def told(event: threading.Event) -> Callable[[str], None]:
    """What `say` is: it notes that the other one is waited for."""

    def say(line: str) -> None:
        assert "waiting for another lab" in line
        event.set()

    return say


def nothing(_: Path) -> None:
    """Makes nothing."""
