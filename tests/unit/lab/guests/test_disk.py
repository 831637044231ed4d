from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.lab.guests import disk, programs


@pytest.mark.skipif(
    not all(shutil.which(tool, path=programs.PATH) for tool in ("mke2fs", "qemu-img", "debugfs")),
    reason="needs mke2fs and qemu-img",
)
def test_a_disk_holds_the_folder_and_has_room_that_takes_none(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").write_text("guest\n")
    disk._write(root, tmp_path / "disk.qcow2")
    told = json.loads(programs.run("qemu-img", "info", "--output=json", tmp_path / "disk.qcow2"))
    assert told["virtual-size"] >= disk.SPARE_BYTES
    assert told["actual-size"] < disk.SPARE_BYTES // 8
    programs.run("qemu-img", "convert", "-O", "raw", tmp_path / "disk.qcow2", tmp_path / "back")
    words = [shutil.which("debugfs", path=programs.PATH) or "", "-R", "cat /etc/hostname", str(tmp_path / "back")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "guest\n"


def test_root_comes_in_by_key_only() -> None:
    settings = disk.FILES["etc/ssh/sshd_config.d/guest.conf"]
    assert "PasswordAuthentication no\n" in settings
    assert "PermitRootLogin prohibit-password\n" in settings


def test_nothing_starts_but_what_a_guest_needs() -> None:
    assert disk._PRESET.splitlines()[-1] == "disable *", "the first rule that matches counts (systemd.preset(5))"
    assert set(disk._PRESET.splitlines()[:-1]) == {f"enable {unit}" for unit in disk.RUNNING}
