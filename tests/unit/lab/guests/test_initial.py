from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.lab.guests import initial

BOOKWORM = """kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko
kernel/lib/crc16.ko:
kernel/fs/mbcache.ko:
kernel/fs/jbd2/jbd2.ko:
kernel/crypto/crc32c_generic.ko:
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
"""


def test_each_module_comes_after_those_that_it_needs_and_once() -> None:
    order = initial.load_order(BOOKWORM, "", ["virtio_blk", "crc32c_generic", "ext4"])
    assert list(map(initial.module_name, order)) == [
        *("virtio_ring", "virtio", "virtio_blk", "crc32c_generic", "jbd2", "mbcache", "crc16", "ext4"),
    ]


def test_what_the_kernel_has_built_in_is_not_loaded() -> None:
    assert initial.load_order("", "kernel/drivers/virtio/virtio_pci.ko\nkernel/fs/ext4/ext4.ko\n", ["virtio_pci", "ext4"]) == []


def test_a_kernel_without_the_module_is_refused() -> None:
    with pytest.raises(HostError, match="no module virtio_blk"):
        initial.load_order("", "", ["virtio_blk"])


def test_names_are_those_of_insmod() -> None:
    assert initial.module_name("kernel/crypto/crc32c-generic.ko.xz") == "crc32c_generic"


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs cpio")
def test_the_archive_holds_packed_modules_unpacked(tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "modules.dep").write_text("".join(f"{name}.ko.xz:\n" for name in initial.WANTED))
    (modules / "modules.builtin").write_text("")
    for name in initial.WANTED:
        (modules / f"{name}.ko.xz").write_bytes(lzma.compress(b"module " + name.encode()))
    (tmp_path / "busybox").write_bytes(b"busybox")
    initial.make(modules, tmp_path / "busybox", tmp_path / "initial.cpio")
    (tmp_path / "out").mkdir()
    subprocess.run(["cpio", "-i", "--quiet", "-F", tmp_path / "initial.cpio"], cwd=tmp_path / "out", check=True)
    assert (tmp_path / "out/modules/ext4.ko").read_bytes() == b"module ext4"
    assert (tmp_path / "out/bin/sh").readlink() == Path("busybox")
    assert f"for module in {' '.join(initial.WANTED)};" in (tmp_path / "out/init").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["busybox", "initial.cpio", "modules", "out"]
