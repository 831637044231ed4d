"""Labs on virtual machines: each host is one, routers and switches are namespaces as ever."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from appliance.errors import HostError, ProfileError
from appliance.lab.definition import LabFile
from appliance.lab.guests import images
from appliance.lab.guests.image import Image
from appliance.lab.layout import Layout
from appliance.lab.machines.guest import GuestMachine
from appliance.lab.machines.machine import Machine
from appliance.lab.namespace import Namespace
from appliance.lab.naming import Tag
from appliance.lab.packages import PYTHONS, Packages
from appliance.lab.traces import scratch_root, sweep
from appliance.lab.underlay import Underlay

ARCHITECTURES: Final = ("amd64", "arm64")
GUEST_BYTES: Final = 300 << 20
"""What the disk of one takes while a lab runs: the snapshot with its memory, and what it writes."""


class Guests:
    """The rig. `extras` are Debian packages that the guests have besides; `cards` are qemu's names of a host's network cards."""

    def __init__(
        self,
        packages: Packages,
        suite: str = "bookworm",
        arch: str = "amd64",
        *,
        extras: Sequence[str] = (),
        cards: Mapping[str, str] | None = None,
    ) -> None:
        self._packages = packages
        self._suite = suite
        self._arch = arch
        self._extras = extras
        self._cards = cards or {}
        self._image: Image | None = None

    @classmethod
    def named(cls, name: str, packages: Packages) -> Self:
        """`trixie`, `trixie/arm64`; what is not said is Debian 12 on amd64. Raises ProfileError."""
        suite, _, arch = name.partition("/")
        suite, arch = suite or "bookworm", arch or "amd64"
        if suite not in PYTHONS or arch not in ARCHITECTURES:
            hint = f"releases: {', '.join(PYTHONS)}; architectures: {', '.join(ARCHITECTURES)}"
            raise ProfileError(f"there are no guests with Debian {suite} on {arch}", hint=hint)
        return cls(packages, suite, arch)

    def describe(self) -> str:
        """Which Debian."""
        return f"a virtual machine with Debian {self._suite} ({self._arch}), a kernel and a systemd of its own"

    def prepare(self, definition: LabFile, say: Callable[[str], None]) -> None:
        """The image, which takes minutes the first time. Raises HostError, LabFailure."""
        for name in sweep():  # the guests of a killed lab run on, and take their memory and processors
            say(f"removed what a killed lab left behind: {name}")
        _check_room(scratch_root(), len(definition.hosts))
        self._image = images.make(
            self._suite, self._arch, self._packages.find(self._suite, self._arch), extras=self._extras, say=say
        )

    def machine(self, name: str, tag: Tag, directory: Path) -> Machine:
        """A guest in a namespace of its name."""
        assert self._image is not None, "prepare() first"
        card = self._cards.get(name, "virtio-net-pci")
        return GuestMachine(name, Namespace(f"{tag}-{name}"), directory, self._image, card)

    def underlay(self, tag: Tag, layout: Layout, machines: Mapping[str, Machine]) -> Underlay | None:
        """The same wires as between namespaces."""
        return Underlay(tag, layout, machines)

    def addresses(self, layout: Layout, machines: Mapping[str, Machine]) -> Mapping[str, str]:  # noqa: ARG002
        """They have those of the layout."""
        return {}


def _check_room(folder: Path, guests: int) -> None:
    """A guest whose disk cannot grow stands still, and does not say why. Raises HostError."""
    free, wanted = shutil.disk_usage(folder).free, guests * GUEST_BYTES
    if free < wanted:
        raise HostError(
            f"{folder} has {free >> 20} MB left; the disks of {guests} virtual machines take {wanted >> 20}",
            hint="make room on that disk, or name a place on another one: TMPDIR=/elsewhere",
        )
