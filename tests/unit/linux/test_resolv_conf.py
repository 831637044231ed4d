"""The file that says where names are looked up, as it may be found, and as it is changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.linux import resolv_conf
from appliance.runtime.names import upstream

WAS, OURS = "nameserver 192.0.2.1\n\xff", "nameserver 10.8.0.1\nand more of it\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "resolv.conf"
    monkeypatch.setattr(resolv_conf, "FILE", found)
    return found


def test_a_change_keeps_the_file_and_its_mode_and_comes_back(file: Path) -> None:
    file.write_bytes(WAS.encode("latin-1"))
    file.chmod(0o604)
    before = file.stat()
    resolv_conf.write({"text": OURS, "over": WAS})
    assert file.read_text() == OURS
    resolv_conf.write({"text": WAS, "over": OURS})
    assert file.read_bytes() == WAS.encode("latin-1")
    assert (file.stat().st_ino, file.stat().st_mode) == (before.st_ino, before.st_mode)


def test_what_somebody_else_wrote_since_stays(file: Path) -> None:
    file.write_text("nameserver 9.9.9.9\n")
    action = {"text": OURS, "over": WAS}
    assert resolv_conf.is_anothers(action)
    resolv_conf.write(action)
    assert file.read_text() == "nameserver 9.9.9.9\n"


def test_one_that_was_killed_half_way_is_finished(file: Path) -> None:
    action = {"text": WAS, "over": OURS}
    file.write_text(WAS + OURS[len(WAS) :], encoding="latin-1")
    assert not resolv_conf.is_anothers(action)
    resolv_conf.write(action)
    assert file.read_text(encoding="latin-1") == WAS


def test_where_there_was_no_file_there_is_none_again(file: Path) -> None:
    before = os.umask(0o077)
    resolv_conf.write({"text": OURS, "over": None})
    os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o644
    resolv_conf.write({"text": None, "over": OURS})
    assert not file.exists()


def test_what_cannot_be_changed_is_said_and_nothing_waits(file: Path, tmp_path: Path) -> None:
    assert resolv_conf.observe() == {"text": None, "obstacle": ""}
    os.mkfifo(file)  # whose reader would wait for a writer
    assert "is no regular file" in resolv_conf.observe()["obstacle"]
    file.unlink()
    file.mkdir()
    assert resolv_conf.observe()["obstacle"]
    file.rmdir()
    file.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text(WAS)
    found = resolv_conf.observe()
    assert "symbolic link to" in found["obstacle"]
    assert found["text"].startswith("nameserver 192.0.2.1")
    with pytest.raises(HostError, match="cannot be written"):
        resolv_conf.write({"text": OURS, "over": found["text"]})
    file.unlink()
    file.write_text("#" * 70_000)
    assert "longer than 64 KiB" in resolv_conf.observe()["obstacle"]


def test_the_servers_outside_follow_the_file_and_what_it_leads_to(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "RESOLVEDS", tmp_path / "resolveds")
    servers = upstream.of_host(lambda: "10.8.0.1")
    assert list(servers()) == []
    target = tmp_path / "target"
    file.symlink_to(target)
    target.write_text("nameserver 192.0.2.1\nnameserver 10.8.0.1\n")
    assert servers() == ["192.0.2.1"], "this node does not ask itself"
    target.write_text("nameserver 192.0.2.99\n")
    assert servers() == ["192.0.2.99"]
    target.write_text("nameserver 127.0.0.53\n")
    (tmp_path / "resolveds").write_text("nameserver 10.8.0.1\nnameserver 198.51.100.1\n")
    assert servers() == ["198.51.100.1"]
