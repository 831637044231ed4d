"""Makes a box for libvirt from Debian's packages, where Vagrant's registry is not reached. As root, on x86-64:

    .venv/bin/python packaging/vagrant/box.py build/vagrant/bookworm.box bookworm
    vagrant box add --name debian/bookworm64 build/vagrant/bookworm.box

It has what every box has: the user `vagrant`, whose key everybody knows until Vagrant replaces it, sudo, and a first card with
DHCP. Its kernel is started by qemu itself, with the few modules that mount the disk: without KVM that saves half a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from appliance.lab.guests import debian, initial, programs

DISK_GIGABYTES: Final = 4
"""It takes no room until it is used."""
EXTRAS: Final = ("sudo",)
FILES: Final = {
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/machine-id": "",  # filled at the first boot
    "etc/ssh/sshd_config.d/vagrant.conf": "UseDNS no\n",
    "etc/sudoers.d/vagrant": "vagrant ALL=(ALL) NOPASSWD: ALL\n",
    "etc/systemd/network/50-first.network": "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n[DHCPv4]\nClientIdentifier=mac\n",
}
SETTLE: Final = """
useradd --create-home --shell /bin/bash vagrant
install -d -m 700 -o vagrant -g vagrant /home/vagrant/.ssh
cat >/home/vagrant/.ssh/authorized_keys
chown vagrant:vagrant /home/vagrant/.ssh/authorized_keys
systemctl -q enable systemd-networkd ssh
systemctl -q mask systemd-networkd-wait-online
rm -f /usr/sbin/policy-rc.d
"""
VAGRANTFILE: Final = """
Vagrant.configure("2") do |config|
  config.vm.provider "libvirt" do |machine|
    machine.kernel = File.join(__dir__, "kernel")
    machine.initrd = File.join(__dir__, "initial.cpio")
    machine.cmd_line = "root=/dev/vda console=ttyS0 net.ifnames=0 quiet"
    machine.disk_bus = "virtio"
  end
end
"""


def main(target: Path, suite: str = "bookworm") -> None:
    """Make the box `target`. Raises HostError."""
    programs.require("amd64")
    with tempfile.TemporaryDirectory() as folder:
        root, box = Path(folder, "root"), Path(folder, "box")
        for each in (root, box):
            each.mkdir()
        debian.make(suite, "amd64", debian.packages("amd64", EXTRAS), root)
        for name, text in FILES.items():
            (root / name).write_text(text)
        programs.run("chroot", root, "sh", "-ec", SETTLE, stdin=_known_key())
        _kernel(root, box)
        _disk(root, box / "box.img")
        (box / "metadata.json").write_text(json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GIGABYTES}))
        (box / "Vagrantfile").write_text(VAGRANTFILE)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(target, "w:gz", compresslevel=1) as archive:
            for path in sorted(box.iterdir()):
                archive.add(path, path.name)


def _known_key() -> str:
    """The public half of the key that comes with Vagrant: any of its commands lays the private one there."""
    home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
    programs.run("vagrant", "box", "list")
    return programs.run("ssh-keygen", "-y", "-f", home / "insecure_private_key")


def _kernel(root: Path, box: Path) -> None:
    [modules] = (root / "lib/modules").iterdir()
    busybox = shutil.which("busybox", path=programs.PATH)
    assert busybox is not None, "programs.require() was asked"
    initial.make(modules, Path(busybox), box / "initial.cpio")
    shutil.copy(root / f"boot/vmlinuz-{modules.name}", box / "kernel")


def _disk(root: Path, image: Path) -> None:
    raw = image.with_suffix(".raw")
    with raw.open("wb") as file:
        file.truncate(DISK_GIGABYTES << 30)
    programs.run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum,^64bit", "-d", root, raw)
    programs.run("qemu-img", "convert", "-O", "qcow2", raw, image)
    raw.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
