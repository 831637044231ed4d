"""What a plugin keeps: in a folder of its own, whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from appliance.plugin_host.storage import MOST_BYTES, KeptFolder, kept_by


@pytest.fixture
def storage(tmp_path: Path) -> KeptFolder:
    return KeptFolder(tmp_path / "system.plugins", "routing-fast")


def test_the_folder_is_made_when_it_is_asked_for_and_for_this_user_alone(storage: KeptFolder, tmp_path: Path) -> None:
    assert not list(tmp_path.iterdir())
    assert storage.path == tmp_path / "system.plugins/routing-fast"
    assert storage.path.stat().st_mode & 0o777 == 0o700
    assert storage.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_written_is_read_again(storage: KeptFolder, tmp_path: Path) -> None:
    assert storage.read("routes.json") is None
    storage.write("routes.json", b"one")
    storage.write("routes.json", b"two")
    again = KeptFolder(tmp_path / "system.plugins", "routing-fast")
    assert again.read("routes.json") == b"two"
    assert (again.path / "routes.json").stat().st_mode & 0o777 == 0o600
    again.remove("routes.json")
    again.remove("routes.json")
    assert again.read("routes.json") is None
    assert not list(again.path.iterdir())


def test_a_full_disk_leaves_the_old_content(storage: KeptFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write("routes", b"old")

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        storage.write("routes", b"new")
    assert storage.read("routes") == b"old"
    assert [path.name for path in storage.path.iterdir()] == ["routes"]


def test_what_a_power_cut_left_half_written_is_nobodys(storage: KeptFolder) -> None:
    (storage.path / "routes.part").write_bytes(b"ha")
    storage.write("routes", b"whole")
    assert storage.read("routes") == b"whole"
    assert [path.name for path in storage.path.iterdir()] == ["routes"]


@pytest.mark.parametrize("name", ["", "..", "../other", "a/b", ".hidden", "a\0", "x" * 101, "routes.part", "ü"])
def test_a_name_leads_nowhere_else(storage: KeptFolder, name: str) -> None:
    for deed in (storage.read, storage.remove, lambda name: storage.write(name, b"")):
        with pytest.raises(ValueError, match="no name"):
            deed(name)


def test_large_things_are_refused(storage: KeptFolder) -> None:
    with pytest.raises(OSError, match="16 MiB"):
        storage.write("large", bytes(MOST_BYTES + 1))
    with (storage.path / "large").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(OSError, match="16 MiB"):
        storage.read("large")


@pytest.mark.parametrize("plugin", ["..", "../../etc", "a/b", "."])
def test_no_plugins_name_leads_out(tmp_path: Path, plugin: str) -> None:
    assert KeptFolder(tmp_path / "plugins", plugin).path.parent == tmp_path / "plugins"


def test_a_folder_that_somebody_else_could_write_is_not_believed(storage: KeptFolder, tmp_path: Path) -> None:
    storage.path.chmod(0o755)
    with pytest.raises(PermissionError):
        storage.read("routes")
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "linked.plugins").mkdir()
    (tmp_path / "linked.plugins/routing-fast").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        KeptFolder(tmp_path / "linked.plugins", "routing-fast").write("routes", b"")


def test_a_link_in_the_place_of_a_file_is_not_followed(storage: KeptFolder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (storage.path / "routes").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        storage.read("routes")
    storage.write("routes", b"mine")
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_node_that_keeps_nothing_says_so() -> None:
    with pytest.raises(OSError, match="keeps nothing"):
        KeptFolder(None, "routing-fast").write("routes", b"")


def test_what_a_plugin_kept_is_found_for_all_nodes(tmp_path: Path) -> None:
    homes = [tmp_path / "@red/system.plugins", tmp_path / "%2Fetc%2Fa.yaml.plugins", tmp_path / "system.plugins"]
    kept = [KeptFolder(home, "routing.fast").path for home in homes]
    KeptFolder(homes[2], "routing.slow").write("routes", b"")
    assert kept_by("routing.fast", tmp_path) == sorted(kept)
    assert kept_by("*", tmp_path) == []
