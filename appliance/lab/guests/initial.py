"""The file system that a guest's kernel begins with: a shell, and the few modules that it takes to mount the disk."""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

from appliance.errors import HostError
from appliance.lab.guests import programs

WANTED: Final = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
"""ext4 asks for a checksum by name, so nothing tells that it needs the module."""
INIT: Final = """#!/bin/sh
mount -t devtmpfs d /dev; mount -t proc p /proc; mount -t sysfs s /sys
for module in {modules}; do insmod /modules/$module.ko; done
until mount -t ext4 /dev/vda /root 2>/dev/null; do sleep 0.02; done
mount --move /dev /root/dev; mount --move /proc /root/proc; mount --move /sys /root/sys
exec switch_root /root /lib/systemd/systemd
"""
COMMANDS: Final = ("sh", "mount", "insmod", "switch_root", "sleep")


def make(modules: Path, busybox: Path, target: Path) -> None:
    """Write the archive `target`, from the modules of one kernel (/lib/modules/RELEASE). Raises HostError."""
    order = load_order((modules / "modules.dep").read_text(), (modules / "modules.builtin").read_text(), WANTED)
    tree = target.with_name("initial")
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy(busybox, tree / "bin/busybox")
    for name in COMMANDS:
        (tree / "bin" / name).symlink_to("busybox")
    for path in order:
        (tree / "modules" / f"{module_name(path)}.ko").write_bytes(_unpacked(modules / path))
    (tree / "init").write_text(INIT.format(modules=" ".join(map(module_name, order))))
    (tree / "init").chmod(0o755)
    programs.run("sh", "-c", 'cd "$0" && find . | cpio -o -H newc --quiet >"$1"', tree, target)
    shutil.rmtree(tree)


def load_order(dependencies: str, builtin: str, wanted: Sequence[str]) -> list[str]:
    """The paths of the modules, each after those that it needs. What the kernel has built in is left out.

    `dependencies` and `builtin` are the files modules.dep and modules.builtin of depmod(8). Raises HostError.
    """
    needs = dict(line.split(":", 1) for line in dependencies.splitlines())
    paths = {module_name(path): path for path in needs}
    inside = set(map(module_name, builtin.split()))
    order: dict[str, None] = {}
    for name in wanted:
        if name in inside:
            continue
        if name not in paths:
            raise HostError(f"the kernel of the image has no module {name}")
        # the nearest one comes first in the file, and is loaded last
        order |= dict.fromkeys([*reversed(needs[paths[name]].split()), paths[name]])
    return list(order)


def module_name(path: str) -> str:
    """By which modules are known: kernel/fs/ext4/ext4.ko.xz is ext4, and - is the same as _."""
    return PurePath(path).name.split(".")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data
