"""A host of an ssh_config: the lab puts the package on it, and takes it off again.

What is done there is written down there first, in `NOTES`: a lab that was killed is undone by the next one.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, ClassVar, Final

from appliance.api.values import Interface
from appliance.errors import HostError
from appliance.lab.machines.machine import LabFailure
from appliance.lab.machines.remote import RemoteMachine
from appliance.lab.naming import Tag, tag_of

FOLDER: Final = Path("/var/lib/appliance-lab")
NOTES: Final = FOLDER / "notes"
PACKAGE: Final = "appliance"
STATE: Final = (Path("/var/lib/appliance"), Path("/var/lib/appliance-api"), Path("/etc/appliance"))
"""What a node of the host's own would have."""
_PRESENT: Final = "dpkg-query -W -f '${db:Status-Abbrev}${Package}\\n' | sed -n 's/^ii //p'"
_TAKEN: Final = "for each in " + " ".join(f"{path}/*" for path in STATE) + '; do [ ! -e "$each" ] || echo "$each"; done'
_APT: Final = "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0"
_LOOK: Final = "id -u; . /etc/os-release && echo $VERSION_CODENAME; dpkg --print-architecture"


class SshMachine(RemoteMachine):
    """`package` chooses the Debian package for a release and an architecture; it raises LabFailure if there is none."""

    kind: ClassVar[str] = "host"
    slowness: ClassVar[float] = 10.0
    """It may be a virtual machine without KVM, or far away."""

    def __init__(self, name: str, directory: Path, config: Path, tag: Tag, package: Callable[[str, str], Path]) -> None:
        super().__init__(name, directory, FOLDER)
        self._config = config
        self._tag = tag
        self._package = package
        self._present: set[str] = set()
        """Debian packages that were there before."""
        self._is_ours = False
        """Have we written the notes?"""

    @property
    def place(self) -> str:
        """As ssh(1) is told."""
        return f"host {self.name} of {self._config.name}"

    def ssh(self) -> list[str]:
        """One connection for all commands, which ends by itself."""
        shared = (
            "ControlMaster=auto",
            f"ControlPath={self.directory}/ssh",
            "ControlPersist=60",
            "BatchMode=yes",
            "LogLevel=ERROR",
        )
        return ["ssh", "-F", str(self._config), *(word for option in shared for word in ("-o", option)), self.name]

    def create(self) -> None:
        """Look at it, undo what a killed lab left, and install the package where it is not. Raises HostError, LabFailure."""
        self.user = "somebody" if self._uid() else "root"
        _, release, architecture = self.told(["sh", "-c", _LOOK]).split()
        self._undo_an_earlier_one()
        self._must_be_free()
        self._present = set(self.told(["sh", "-c", _PRESENT]).split())
        self._note({"tag": str(self._tag), "from": socket.gethostname(), "present": sorted(self._present)})
        if PACKAGE not in self._present:
            self._install(self._package(release, architecture))

    def addresses(self) -> list[Interface]:
        """All that its interfaces have. Raises HostError."""
        told = json.loads(self.told(["ip", "-j", "addr"]))
        return [ip_interface(f"{each['local']}/{each['prefixlen']}") for link in told for each in link["addr_info"]]

    def remove(self) -> list[str]:
        """Take off what the lab put there. Raises HostError."""
        left = self._undo(self._present) if self._is_ours else []
        self.hang_up()
        return left

    def _uid(self) -> int:
        """Asked without sudo, which is not needed if it is 0."""
        return int(self.told(["id", "-u"]))

    def _install(self, package: Path) -> None:
        there = FOLDER / package.name
        self.put(there, package.read_bytes())
        try:
            self.told(["sh", "-c", f"{_APT} install --no-install-recommends {shlex.quote(str(there))} 2>&1"])
        except HostError as error:
            raise LabFailure(f"{package.name} cannot be installed on {self.name}: {error.message}") from error

    def _must_be_free(self) -> None:
        if taken := self.told(["sh", "-c", _TAKEN]).split():
            raise LabFailure(
                f"{self.name} has a node of its own: {', '.join(taken[:3])}",
                hint="a lab takes hosts without one, since it writes there itself; purge it, or take another host",
            )

    def _undo_an_earlier_one(self) -> None:
        with suppress(HostError, ValueError):
            notes = json.loads(self.get(NOTES))
            owner = tag_of(f"{notes['tag']}-")
            if notes["from"] != socket.gethostname():
                hint = f"if that is gone: ssh {self.name} sudo rm {NOTES}"
                raise LabFailure(f"a lab of {notes['from']} uses {self.name}", hint=hint)
            if owner is not None and owner.owner_lives:
                raise LabFailure(f"another lab uses {self.name}, that of process {owner.pid}")
            self._undo(set(notes["present"]))

    def _undo(self, present: set[str]) -> list[str]:
        with suppress(HostError):
            self.told(["systemctl", "stop", "appliance.service"])
        with suppress(HostError):
            self.unit.forget()
        came = sorted(set(self.told(["sh", "-c", _PRESENT]).split()) - present)
        if came:
            self.told(["sh", "-c", f"{_APT} purge {' '.join(came)} 2>&1"])
        for path in STATE:
            self.told(["sh", "-c", '[ ! -d "$0" ] || find "$0" -mindepth 1 -delete', path])
        self.told(["rm", "-rf", FOLDER])
        left = set(self.told(["sh", "-c", _PRESENT]).split()) - present
        taken = self.told(["sh", "-c", _TAKEN]).split()
        return [f"{what} on {self.name}" for what in (*(f"package {each}" for each in sorted(left)), *taken)]

    def _note(self, notes: dict[str, Any]) -> None:
        self.put(NOTES, json.dumps(notes).encode())
        self._is_ours = True
