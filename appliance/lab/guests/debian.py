"""A Debian in a folder, with what guests need and without our package. It comes from the mirror that apt of this machine uses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from appliance.errors import HostError
from appliance.lab.guests import programs
from appliance.lab.guests.cache import digest

SUITES: Final = {"bookworm": "Debian 12", "trixie": "Debian 13"}
PACKAGES: Final = (
    *("systemd-sysv", "udev", "dbus", "kmod", "procps", "passwd", "zstd"),
    *("openssh-server", "python3", "sudo", "apparmor", "iproute2", "nftables", "wireguard-tools"),
    *("iperf3", "iputils-ping", "ethtool", "tcpdump", "curl"),
)
"""Beside Debian's required ones and a kernel. What our package depends on is among them."""
ARCHIVES: Final = {"Debian": "http://deb.debian.org/debian", "Debian-Security": "http://deb.debian.org/debian-security"}
"""Where these are unless apt of this machine says otherwise."""
_HARDWARE: Final = (
    *("sound", "fs/btrfs", "fs/ceph", "fs/f2fs", "fs/gfs2", "fs/nfs", "fs/ocfs2", "fs/smb", "fs/xfs"),
    *(
        f"drivers/{kind}"
        for kind in ("ata", "bluetooth", "gpu", "hid", "hwmon", "iio", "infiniband", "input", "isdn", "md", "media")
    ),
    *(
        f"drivers/{kind}"
        for kind in ("mfd", "mtd", "platform", "power", "scsi", "staging", "target", "thunderbolt", "usb", "video")
    ),
    "drivers/net/wireless",
)
"""Modules of the kernel for what a guest never has: two thirds of all."""
LEFT_OUT: Final = (
    *(f"/usr/share/{what}/*" for what in ("doc", "locale", "man")),
    *(f"{root}/modules/*/kernel/{what}/*" for root in ("/lib", "/usr/lib") for what in _HARDWARE),
)
_UNREACHABLE: Final = re.compile(r"Could not (?:resolve|connect)|Temporary failure|Failed to fetch|Unable to connect|timed out")
_UNKNOWN: Final = re.compile(r"Unable to locate package (\S+)|Package '(\S+)' has no installation candidate")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")
"""Of a package (Debian Policy, section 5.6.1)."""
NO_SERVICES: Final = r"""cd "$1"/usr/sbin && printf '#!/bin/sh\nexit 101\n' >policy-rc.d && chmod 755 policy-rc.d"""
"""A hook of mmdebstrap: no package that is installed from here on starts a service (policy-rc.d(8))."""

CONFINING_ONLY: Final = (
    r"""cd "$1"/etc/apparmor.d && for each in $(grep -slE 'flags=\((unconfined|default_allow)\)|^ *allow all,' -- *); """
    r"""do ln -s "../$each" disable/; done"""
)
"""Another one. Debian 13 names a hundred programs of desktops in profiles that allow everything; each boot would read them for 20
seconds."""
_HOOKS: Final = {"trixie": (f"--customize-hook={CONFINING_ONLY}",)}


def packages(arch: str, extras: Sequence[str]) -> tuple[str, ...]:
    """All that are asked for, in order. Raises HostError for a name that no package can have."""
    for name in extras:
        if not _NAME.fullmatch(name):
            raise HostError(f"{name!r} is no name of a Debian package", hint="names are like network-manager")
    shell = ["busybox-static"] if programs.is_foreign(arch) else []  # this machine's own is of no use in that initial file system
    return tuple(sorted({*PACKAGES, f"linux-image-{arch}", *shell, *extras}))


def name_of(suite: str, arch: str, wanted: Sequence[str]) -> str:
    """Under which the folder is kept: it tells what is in it."""
    return f"system-{suite}-{arch}-{digest(suite, arch, *wanted, *LEFT_OUT, *_options(suite, arch))}"


def make(suite: str, arch: str, wanted: Sequence[str], root: Path) -> None:
    """Fill the empty folder `root`. Raises HostError."""
    left_out = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    options = [*_options(suite, arch), *left_out, f"--include={','.join(wanted)}", *(f"--aptopt={line}" for line in _acquiring())]
    words = [*programs.PRIVATE, "mmdebstrap", *options, suite, str(root), "-"]
    try:
        # without an initial file system for each kernel: guests have one of a few modules, which boots 20 seconds sooner
        programs.run(*words, stdin=sources(suite, _targets()), environ={"INITRD": "No"})
    except HostError as error:
        if unknown := _UNKNOWN.search(error.message):
            raise HostError(
                f"{SUITES[suite]} has no package {unknown[1] or unknown[2]}",
                hint=f"https://packages.debian.org/{suite}/ tells which there are",
            ) from None
        if _UNREACHABLE.search(error.message):
            raise HostError(
                f"{SUITES[suite]} cannot be fetched from a mirror: {error.message}",
                hint="guests need Debian's packages once: look at the network and at /etc/apt",
            ) from None
        raise


def sources(suite: str, targets: str) -> str:
    """A sources.list for the suite, from the same mirrors as this machine's. `targets`: lines of LABEL URI."""
    found = dict(line.split(maxsplit=1) for line in targets.splitlines() if line.count(" ") == 1)
    main, security = (found.get(label, default).rstrip("/") for label, default in ARCHIVES.items())
    return f"deb {main} {suite} main\ndeb {main} {suite}-updates main\ndeb {security} {suite}-security main\n"


def _options(suite: str, arch: str) -> tuple[str, ...]:
    return (
        *("--variant=minbase", "--mode=root", f"--architectures={arch}", "--dpkgopt=force-unsafe-io"),
        *('--aptopt=Apt::Install-Recommends "false"', f"--essential-hook={NO_SERVICES}"),
        *_HOOKS.get(suite, ()),
    )


def _targets() -> str:
    """Which archives apt of this machine uses; nothing where there is no apt."""
    words = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def _acquiring() -> list[str]:
    """How apt of this machine fetches: through which proxy, trusting whom."""
    try:
        told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return []
    return [line for line in told.splitlines() if re.match(r"Acquire::(?:https?::|Check-)", line)]
