"""Images of guests, made when they are asked for first and kept below ~/.cache/appliance/guests. Takes root."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from appliance.errors import HostError, MissingPrivilege
from appliance.lab.guests import cache, debian, disk, network_files, programs, snapshot
from appliance.lab.guests import initial as initial_files
from appliance.lab.guests.cache import Cache, digest
from appliance.lab.guests.image import Image

KEPT_IMAGES: Final = 2
"""Of one Debian with different packages of ours: the last one, and the one before, for upgrades."""
ALL_USERS: Final = ["0", "0", "4294967295"]
"""/proc/self/uid_map where root is root: elsewhere it may make no device, and no file of another user."""


def make(
    suite: str, arch: str, package: Path | None, *, extras: Sequence[str] = (), say: Callable[[str], None] = lambda _: None
) -> Image:
    """The image of a Debian with our package installed; without it if `package` is None. The first time it takes two minutes.

    `suite` is bookworm or trixie, `arch` amd64 or arm64, `extras` are more Debian packages, whose services do not run unless
    somebody starts them. `say` is called with a line before each long step. Nothing half made stays after Ctrl-C.

    Raises HostError if a program, a mirror or room on the disk is missing, MissingPrivilege without root.
    """
    if suite not in debian.SUITES or arch not in programs.EMULATORS:
        known = f"{', '.join(debian.SUITES)} on {', '.join(programs.EMULATORS)}"
        raise HostError(f"there are no guests with {suite} on {arch}", hint=f"there are {known}")
    _require_root()
    programs.require(arch)
    wanted = debian.packages(arch, extras)
    store = Cache(cache.place())
    with store.alone(say):
        return _make(store, suite, arch, package, wanted, say)


def _make(store: Cache, suite: str, arch: str, package: Path | None, wanted: Sequence[str], say: Callable[[str], None]) -> Image:
    key = _key(store)
    public = key.with_suffix(".pub").read_text()
    system_name = debian.name_of(suite, arch, wanted)
    family = system_name.replace("system", "image")
    content = package.read_bytes() if package is not None else b""
    name = f"{family}-{digest(content, public, *_recipe())}"

    def system(folder: Path) -> None:
        say(f"making {debian.SUITES[suite]} for {arch} from Debian's mirror: a minute, once")
        debian.make(suite, arch, wanted, folder)

    def whole(folder: Path) -> None:
        base = store.kept(system_name, system)
        say(f"making an image of {debian.SUITES[suite]} with {package.name if package else 'no package of ours'}: half a minute")
        disk.make(base, package, public, folder)

    folder = store.kept(name, whole)
    made = Image(suite, arch, folder / "kernel", folder / "initial.cpio", folder / "disk.qcow2", None, key)
    if arch == "amd64":
        made = made._replace(snapshot=folder / snapshot.name_of(made))
        assert made.snapshot is not None
        if not made.snapshot.exists():
            say(f"booting {debian.SUITES[suite]} and keeping it as it is then: a minute")
            snapshot.make(made, made.snapshot)
    store.prune(f"{family}-*", KEPT_IMAGES)
    return made


def _key(store: Cache) -> Path:
    """The key to all guests of this user. Those that a wire leads to ask for it as well."""
    path = store.folder / "key"
    if not path.exists():
        programs.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guests", "-f", path)
    return path


def _recipe() -> list[bytes]:
    """How an image is made from a Debian and a package: the code itself."""
    return [Path(str(module.__file__)).read_bytes() for module in (disk, initial_files, network_files)]


def _require_root() -> None:
    if os.geteuid() != 0 or Path("/proc/self/uid_map").read_text().split() != ALL_USERS:
        raise MissingPrivilege("making virtual machines takes root: their disks hold files of all users", hint="use sudo")
