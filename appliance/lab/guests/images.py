"""Images of guests, made when they are asked for first and kept below ~/.cache/appliance/guests. Takes root."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import HostError, MissingPrivilege
from appliance.lab.guests import cache, debian, disk, network_files, programs, snapshot
from appliance.lab.guests import initial as initial_files
from appliance.lab.guests.cache import Cache, digest
from appliance.lab.guests.image import Image

KEPT_IMAGES: Final = 2
"""Of one Debian with different packages of ours: the last one, and the one before, for upgrades."""
KEPT_SYSTEMS: Final = 4
"""Of one release and architecture with different packages of Debian's: `make rigs` has three."""
SAVED: Final = ("amd64",)
"""Of which there are snapshots: the others cannot have cards plugged in while they run."""
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
    if package is not None and not package.is_file():
        raise HostError(f"there is no package {package}", hint="make deb makes one; or name another file")
    programs.require(arch)
    order = _Order(suite, arch, package, debian.packages(arch, extras), Cache(cache.place()))
    made = order.found()
    if made is None:
        with order.store.alone(say):
            made = order.found() or order.make(say)
    return made


class _Order(NamedTuple):
    """What is wanted, and where it is kept."""

    suite: str
    arch: str
    package: Path | None
    packages: tuple[str, ...]
    store: Cache

    def found(self) -> Image | None:
        """The image if all of it is there."""
        if not self._key.exists():
            return None
        made = self._image()
        if not made.disk.exists() or (made.snapshot is not None and not made.snapshot.exists()):
            return None
        os.utime(made.disk.parent)
        return made

    def make(self, say: Callable[[str], None]) -> Image:
        """Make what is missing. Raises HostError."""
        if not self._key.exists():
            programs.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guests", "-f", self._key)
        self.store.kept(self._name, lambda folder: self._make_disk(folder, say))
        made = self._image()
        if made.snapshot is not None and not made.snapshot.exists():
            say(f"booting {debian.SUITES[self.suite]} and keeping it as it is then: a minute")
            snapshot.make(made._replace(snapshot=None), made.snapshot)
        self.tidy()
        return made

    def tidy(self) -> None:
        """Remove what was used longest ago of this release and architecture."""
        every = f"{self.suite}-{self.arch}-*"
        self.store.prune(f"{self._family}-*", KEPT_IMAGES)
        self.store.prune(f"image-{every}", KEPT_SYSTEMS * KEPT_IMAGES)
        self.store.prune(f"system-{every}", KEPT_SYSTEMS)

    def _make_disk(self, folder: Path, say: Callable[[str], None]) -> None:
        debian_folder = self.store.kept(self._system, lambda folder: self._make_system(folder, say))
        inside = self.package.name if self.package is not None else "no package of ours"
        say(f"making an image of {debian.SUITES[self.suite]} with {inside}: half a minute")
        disk.make(debian_folder, self.package, self._public_key, folder)

    def _make_system(self, folder: Path, say: Callable[[str], None]) -> None:
        time = "ten minutes" if programs.is_foreign(self.arch) else "a minute"
        say(f"making {debian.SUITES[self.suite]} for {self.arch} from Debian's mirror: {time}, once")
        debian.make(self.suite, self.arch, self.packages, folder)

    def _image(self) -> Image:
        folder = self.store.folder / self._name
        made = Image(self.suite, self.arch, folder / "kernel", folder / "initial.cpio", folder / "disk.qcow2", None, self._key)
        return made._replace(snapshot=folder / snapshot.name_of(made)) if self.arch in SAVED else made

    @property
    def _key(self) -> Path:
        """Opens all guests of this user."""
        return self.store.folder / "key"

    @property
    def _public_key(self) -> str:
        return self._key.with_suffix(".pub").read_text()

    @property
    def _system(self) -> str:
        return debian.name_of(self.suite, self.arch, self.packages)

    @property
    def _family(self) -> str:
        """What the names of all images of this Debian begin with."""
        return self._system.replace("system", "image", 1)

    @property
    def _name(self) -> str:
        content = self.package.read_bytes() if self.package is not None else b""
        return f"{self._family}-{digest(content, self._public_key, *_recipe())}"


def _recipe() -> list[bytes]:
    """How an image is made from a Debian and a package: the code itself."""
    return [Path(str(module.__file__)).read_bytes() for module in (disk, initial_files, network_files)]


def _require_root() -> None:
    if os.geteuid() != 0 or Path("/proc/self/uid_map").read_text().split() != ALL_USERS:
        raise MissingPrivilege("making virtual machines takes root: their disks hold files of all users", hint="use sudo")
