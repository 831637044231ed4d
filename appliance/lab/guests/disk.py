"""From a Debian in a folder to what qemu boots: settings of a guest, our package, a kernel and a disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from appliance.errors import HostError
from appliance.lab.guests import initial, network_files, programs

SPARE_BYTES: Final = 1 << 30
"""Room on the disk beside what is on it at first. It takes none here until it is used."""
FILES: Final = {
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    "etc/hostname": "guest\n",
    "etc/hosts": network_files.hosts("guest"),
    "etc/machine-id": "",
    "etc/modprobe.d/guest.conf": "blacklist pcspkr\n",
    "etc/modules-load.d/guest.conf": "e1000\n",  # at once when such a card is plugged in
    "etc/resolv.conf": "# a guest reaches nothing but its wires\n",
    "etc/ssh/sshd_config.d/guest.conf": (
        "UseDNS no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxSessions 100\nMaxStartups 100\n"
    ),
    **network_files.FIRST,
}
"""What is otherwise than in a Debian that was just installed. An empty machine-id is filled at the first boot."""
RUNNING: Final = ("apparmor.service", "ssh.service", "systemd-networkd.service")
"""The services that a guest starts with. The others of its packages wait until somebody starts them."""
NEVER: Final = ("systemd-networkd-wait-online.service",)
"""A start would wait two minutes for wires that are not there yet."""
_PRESET: Final = "".join(f"enable {unit}\n" for unit in RUNNING) + "disable *\n"


def make(system: Path, package: Path | None, public_key: str, folder: Path) -> None:
    """Make `kernel`, `initial.cpio` and `disk.qcow2` in `folder`. `system` stays as it is. Raises HostError."""
    root = folder / "root"
    programs.run("cp", "-a", "--reflink=auto", system, root)
    try:
        _settle(root, public_key)
        if package is not None:
            _install(root, package)
        (root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        [modules] = (root / "lib/modules").iterdir()
        busybox = shutil.which("busybox", path=f"{root}/usr/bin:{root}/bin") or shutil.which("busybox", path=programs.PATH)
        assert busybox is not None, "programs.require() was asked"
        initial.make(modules, Path(busybox), folder / "initial.cpio")
        shutil.copy(root / f"boot/vmlinuz-{modules.name}", folder / "kernel")
        _write(root, folder / "disk.qcow2")
    finally:
        shutil.rmtree(root)


def _settle(root: Path, public_key: str) -> None:
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # some are links to elsewhere
        path.write_text(text)
    keys = root / "root/.ssh"
    keys.mkdir(mode=0o700, exist_ok=True)
    (keys / "authorized_keys").write_text(public_key)
    (root / "var/log/journal").mkdir(exist_ok=True)  # kept over a loss of power
    preset = root / "etc/systemd/system-preset/00-guest.preset"
    preset.parent.mkdir(exist_ok=True)
    preset.write_text(_PRESET)
    systemctl = ("chroot", root, "systemctl", "--quiet")
    programs.run(*systemctl, "preset-all")
    programs.run(*systemctl, "mask", *NEVER)
    preset.unlink()  # what is installed later is treated as on any Debian


def _install(root: Path, package: Path) -> None:
    """Our package, after the other ones' services were told to wait: it decides for itself whether its own starts."""
    inside = Path("root") / package.name
    shutil.copy(package, root / inside)
    try:
        programs.run(*programs.PRIVATE, "chroot", root, "dpkg", "--install", Path("/") / inside)
    except HostError as error:
        raise HostError(f"{package} cannot be installed: {error.message}", hint="is it for this release and processor?") from None
    finally:
        (root / inside).unlink()


def _write(root: Path, disk: Path) -> None:
    raw = disk.with_suffix(".raw")
    used = int(programs.run("du", "-s", "--block-size=1", root).split()[0])
    with raw.open("wb") as file:
        file.truncate(used + used // 8 + SPARE_BYTES)
    # fewer features for fewer modules in the initial file system; and nothing left to be done after the first mount
    plain = ("-O", "^metadata_csum,^64bit", "-E", "lazy_itable_init=0,lazy_journal_init=0")
    programs.run("mke2fs", "-q", "-F", "-t", "ext4", *plain, "-d", root, raw)
    programs.run("qemu-img", "convert", "-O", "qcow2", raw, disk)
    raw.unlink()
