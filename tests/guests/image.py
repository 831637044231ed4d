"""Makes the disk, the kernel and the initial file system that the guests boot from: Debian 12 with systemd and our package.

What Debian gives is kept under ~/.cache/appliance/guests for a list of packages, so a run after the first takes seconds here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "appliance/guests"
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
}
"""Commands that are needed here, and the Debian package of each."""
PACKAGES = (
    "systemd-sysv,udev,dbus,openssh-server,python3,iproute2,nftables,iperf3,iputils-ping,ethtool,kmod,procps,zstd,"
    "linux-image-amd64"
)
MODULES = (
    "virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk crc16 mbcache jbd2 crc32c_generic ext4"
)
"""What it takes to mount the disk, each after those that it needs."""
DISK_BYTES = 1400 << 20
MAC = "52:54:00:00:{wire:02x}:{number:02x}"
WIRES = {"mgmt": 1, "wan": 2}
"""The network cards of a guest, by the names that it gives them."""

INIT = """#!/bin/sh
mount -t devtmpfs d /dev; mount -t proc p /proc; mount -t sysfs s /sys
for module in {modules}; do insmod /modules/$module.ko; done
until mount -t ext4 /dev/vda /root 2>/dev/null; do sleep 0.02; done
mount --move /dev /root/dev; mount --move /proc /root/proc; mount --move /sys /root/sys
exec switch_root /root /lib/systemd/systemd
"""
FILES = {
    "etc/systemd/network/10-mgmt.network": "[Match]\nName=mgmt\n[Network]\nAddress=10.0.2.15/24\nIPv6AcceptRA=no\n",
    "etc/ssh/sshd_config.d/guest.conf": "UseDNS no\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    "etc/machine-id": "",
    "etc/modprobe.d/guest.conf": "blacklist pcspkr\n",
}
UNWANTED = "apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service"


class Image(NamedTuple):
    """What qemu is given. `key` opens root's account by ssh."""

    kernel: Path
    initial: Path
    disk: Path
    key: Path


def missing_tools() -> list[str]:
    """The Debian packages that this machine lacks for guests."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [package for tool, package in TOOLS.items() if shutil.which(tool, path=path) is None]


def build(package: Path, folder: Path) -> Image:
    """An image with the Debian package installed, in `folder`."""
    system, key = _system(), _key()
    root = folder / "root"
    _run("cp", "-a", "--reflink=auto", system, root)
    try:
        _settle(root, key)
        shutil.copy(package, root / "root/appliance.deb")
        _run("chroot", root, "dpkg", "--install", "/root/appliance.deb")
        kernel, initial = _boot(root, folder)
        return Image(kernel, initial, _disk(root, folder), key)
    finally:
        shutil.rmtree(root)


def _system() -> Path:
    """Debian 12 with what the guests need, without our package; made once."""
    name = hashlib.sha256(PACKAGES.encode()).hexdigest()[:12]
    made, growing = CACHE / f"bookworm-{name}", CACHE / f"growing-{os.getpid()}"
    if made.exists():
        return made
    CACHE.mkdir(parents=True, exist_ok=True)
    leave_out = [f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("man", "locale", "doc")]
    wanted = ["--variant=minbase", "--mode=root", f"--include={PACKAGES}", '--aptopt=Apt::Install-Recommends "false"']
    sources = sorted(Path("/etc/apt/sources.list.d").glob("debian*.sources"))
    try:
        _run("mmdebstrap", *wanted, *leave_out, "bookworm", growing, *sources)
        growing.rename(made)
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return made


def _key() -> Path:
    key = CACHE / "key"
    if not key.exists():
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    return key


def _settle(root: Path, key: Path) -> None:
    """Addresses, names and services that a guest starts with."""
    for name, text in (FILES | _cards()).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    keys = root / "root/.ssh"
    keys.mkdir(mode=0o700, exist_ok=True)
    (keys / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    (root / "var/log/journal").mkdir(exist_ok=True)  # kept over a loss of power
    _run("chroot", root, "systemctl", "-q", "enable", "systemd-networkd", "ssh")
    _run("chroot", root, "systemctl", "-q", "mask", *UNWANTED.split(), "systemd-networkd-wait-online.service")


def _cards() -> dict[str, str]:
    """The cards' names by their hardware addresses, and the address of each host on the wire between them."""
    files = {}
    for wire, wire_number in WIRES.items():
        addresses = " ".join(MAC.format(wire=wire_number, number=number) for number in (1, 2))
        files[f"etc/systemd/network/01-{wire}.link"] = f"[Match]\nPermanentMACAddress={addresses}\n[Link]\nName={wire}\n"
    for number, host in enumerate(("left", "right"), 1):
        files[f"etc/systemd/network/20-{host}.network"] = (
            f"[Match]\nName=wan\nHost={host}\n"
            f"[Network]\nAddress=192.0.2.{number}/24\nAddress=2001:db8::{number}/64\nIPv6AcceptRA=no\n"
        )
    return files


def _boot(root: Path, folder: Path) -> tuple[Path, Path]:
    """The kernel, and a file system of a few modules that mounts the disk: Debian's own takes 20 seconds more without KVM."""
    [release] = [path.name for path in (root / "lib/modules").iterdir()]
    kernel, initial, tree = folder / "kernel", folder / "initial.cpio", folder / "initial"
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (tree / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, tree / "bin/busybox")
    for name in ("sh", "mount", "insmod", "switch_root", "sleep"):
        (tree / "bin" / name).symlink_to("busybox")
    for module in MODULES.split():
        [found] = (root / "lib/modules" / release).rglob(f"{module}.ko")
        shutil.copy(found, tree / "modules")
    (tree / "init").write_text(INIT.format(modules=MODULES))
    (tree / "init").chmod(0o755)
    _run("sh", "-c", 'cd "$0" && find . | cpio -o -H newc --quiet > "$1"', tree, initial)
    shutil.copy(root / f"boot/vmlinuz-{release}", kernel)
    shutil.rmtree(tree)
    return kernel, initial


def _disk(root: Path, folder: Path) -> Path:
    raw, disk = folder / "disk.raw", folder / "disk.qcow2"
    with raw.open("wb") as file:
        file.truncate(DISK_BYTES)
    plain = ("-O", "^metadata_csum,^64bit", "-E", "lazy_itable_init=0,lazy_journal_init=0")  # for few modules, and a quiet start
    _run("mke2fs", "-q", "-F", "-t", "ext4", *plain, "-d", root, raw)
    _run("qemu-img", "convert", "-O", "qcow2", raw, disk)
    raw.unlink()
    return disk


def _run(*words: object) -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    subprocess.run([str(word) for word in words], check=True, env=os.environ | {"PATH": path})
