"""A host of an ssh_config: the lab puts the package on it, and takes it off again.

A lab has the host for itself by a `Claim`. What it finds and does there is written down there first, in `NOTES`: a lab that was
killed is undone by the next one, whoever runs that.
"""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from appliance.api.values import Interface
from appliance.errors import HostError
from appliance.lab.machines import notes as notes_
from appliance.lab.machines.claim import Claim, Taken
from appliance.lab.machines.machine import LabFailure
from appliance.lab.machines.notes import Notes
from appliance.lab.machines.remote import RemoteMachine
from appliance.lab.naming import Tag

FOLDER: Final = Path("/var/lib/appliance-lab")
NOTES: Final = FOLDER / "notes"
PACKAGE: Final = "appliance"
USERS: Final = ("appliance", "appliance-api")
STATE: Final = (Path("/var/lib/appliance"), Path("/var/lib/appliance-api"), Path("/etc/appliance"))
"""What a node of the host's own would have."""
CONNECT_SECONDS: Final = 30
INSTALL_SECONDS: Final = 900.0
LOCK_SECONDS: Final = 240
"""How long somebody else may use dpkg: a new machine upgrades itself first."""
_PLAIN: Final = ("env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
_APT: Final = (
    *(*_PLAIN, "apt-get", "-q", "-y", "--no-remove", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"),
    *("-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "APT::Keep-Downloaded-Packages=false"),
)
_LOOK: Final = """
id -u; . /etc/os-release 2>/dev/null
echo "${VERSION_CODENAME:-${ID:-unknown}}"
dpkg --print-architecture 2>/dev/null || echo -
if [ -d /run/systemd/system ]; then echo systemd; else echo -; fi
"""
_TAKEN: Final = (
    "for each in " + " ".join(f"{path}/*" for path in STATE) + '; do [ ! -e "$each" ] || echo "$each"; done; '
    "! grep -q ' @appliance$' /proc/net/unix || echo 'a node that runs'"
)
_BEFORE: Final = (
    f"for each in {' '.join(USERS)}; do"
    ' ! { getent passwd "$each" || getent group "$each"; } >/dev/null || echo "user $each"; done; '
    f"for each in {' '.join(map(str, STATE))}; do" + ' [ ! -d "$each" ] || echo "folder $each"; done; '
    "! systemctl is-enabled --quiet appliance.service 2>/dev/null || echo 'enabled appliance'"
)
_WRITTEN_SINCE: Final = (
    '[ ! -e "$0/ended" ] || find /etc/appliance/profile.yaml /etc/appliance/identity -newer "$0/ended" 2>/dev/null || true'
)
"""A node of an admin's own, on the package that a killed lab left there."""
_STATES: Final = ("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n")
_DPKG: Final = f"""
n=0
until said=$(dpkg "$@" 2>&1); do
  case $said in *"locked by another process"*) ;; *) break ;; esac
  [ $n -lt {LOCK_SECONDS} ] || break
  n=$((n + 2)); sleep 2
done
"""


class Brought(NamedTuple):
    """A package that lies on a host, to be installed."""

    package: Path
    coming: tuple[str, ...]
    """The names of all that apt would install for it."""


class SshMachine(RemoteMachine):
    """`package` chooses the Debian package for a release and an architecture; it raises LabFailure if there is none."""

    kind: ClassVar[str] = "host"
    slowness: ClassVar[float] = 10.0
    """It may be a virtual machine without KVM, or far away."""
    at_a_time: ClassVar[int] = 16
    """apt takes a minute there, and nothing here."""

    def __init__(self, name: str, directory: Path, config: Path, tag: Tag, package: Callable[[str, str], Path]) -> None:
        super().__init__(name, directory, FOLDER)
        self._config = config
        self._lab = f"{tag} on {socket.gethostname()}"
        self._package = package
        self._claim: Claim | None = None
        self._notes: Notes | None = None
        self._fitting: Path | None = None
        """The package for its release and architecture."""
        self._brought: Brought | None = None
        self._abandoned = False

    @property
    def place(self) -> str:
        """As ssh(1) is told."""
        return f"host {self.name} of {self._config.name}"

    def ssh(self) -> list[str]:
        """One connection for all commands."""
        return self._ssh(self.name)

    def by_hand(self) -> list[str]:
        """In BatchMode it would not ask about a host key, nor for a password."""
        return ["ssh", "-F", str(self._config), self.name]

    def _ssh(self, *words: str) -> list[str]:
        socket_name = hashlib.sha256(self.name.encode()).hexdigest()[:8]  # a Unix socket's name is short (unix(7))
        shared = (
            "ControlMaster=auto",
            f"ControlPath={self.directory.parent}/{socket_name}",
            "ControlPersist=60",
            "BatchMode=yes",
            "LogLevel=ERROR",
            f"ConnectTimeout={CONNECT_SECONDS}",
            "ServerAliveInterval=15",
        )
        return ["ssh", "-F", str(self._config), *(word for option in shared for word in ("-o", option)), *words]

    # --- its life -------------------------------------------------------------------------------------------------------------

    def claim(self) -> None:
        """Look at it, and undo what a killed lab left. Raises HostError, LabFailure."""
        self._go_on()
        self._fitting = self._package(*self._look())
        self._go_on()
        self._take()
        self._undo_an_earlier_one()
        self._must_be_free()

    def bring(self) -> None:
        """The package, if it is not installed there. Raises HostError, LabFailure."""
        self._go_on()
        self._write(self._as_it_is())
        self._go_on()
        if not notes_.installed(self._states(), [PACKAGE]):
            assert self._fitting is not None, "claim() first"
            self._brought = self._bring(self._fitting)

    def create(self) -> None:
        """Install what was brought. Raises HostError, LabFailure."""
        self._go_on()
        if self._brought is not None:
            self._install(self._brought)
        self._go_on()

    def abandon(self) -> None:
        """What has begun there is ended, since a half-installed package is worse; nothing more is begun."""
        self._abandoned = True

    def addresses(self) -> list[Interface]:
        """All that its interfaces have. Raises HostError."""
        told = json.loads(self.told(["ip", "-j", "addr"]))
        return [ip_interface(f"{each['local']}/{each['prefixlen']}") for link in told for each in link["addr_info"]]

    def remove(self) -> list[str]:
        """Take off what the lab put there. Raises HostError."""
        left: list[str] = []
        try:
            if self._notes is not None:
                left = self._undo(self._notes)
            elif self._claim is not None:
                self.told(["sh", "-c", 'rm "$0/lock"; rmdir "$0" || true', FOLDER])  # notes that cannot be read stay
        finally:
            if self._claim is not None:
                self._claim.release()
            self.hang_up()
            with suppress(FileNotFoundError):  # there is no ssh(1) here
                subprocess.run(self._ssh("-O", "exit", self.name), capture_output=True, check=False)
        return left

    def _go_on(self) -> None:
        if self._abandoned:
            raise LabFailure(f"nothing more is begun on {self.name}")

    # --- before anything is changed -------------------------------------------------------------------------------------------

    def _look(self) -> tuple[str, str]:
        """Its release and architecture, and who we are there."""
        self.user = "root"  # as nobody else: sudo may be what is missing
        lines = self.told(["sh", "-c", _LOOK]).splitlines()
        noise, (uid, release, architecture, init) = lines[:-4], lines[-4:]
        if noise:
            raise LabFailure(
                f"the shell of {self.name} prints of itself: {noise[0][:100]!r}",
                hint="a line of ~/.bashrc or the like there; it should print only for people: [ -t 1 ]",
            )
        if "-" in (architecture, init):
            raise LabFailure(f"{self.name} ({release}) is no Debian that systemd runs", hint="a lab by SSH takes such hosts only")
        if uid != "0":
            self._become_root()
        return release, architecture

    def _become_root(self) -> None:
        self.user = "somebody"
        try:
            self.told(["true"])
        except HostError as error:
            raise LabFailure(
                f"on {self.name} we are not root, and sudo does not make us root: {error.message.rpartition(' failed: ')[2]}",
                hint="let that user have sudo without a password (NOPASSWD in sudoers), or have the ssh_config say User root",
            ) from error

    def _take(self) -> None:
        try:
            self._claim = Claim(self.enter, self.environ(), FOLDER, self._lab)
        except Taken:
            raise self._taken() from None
        except HostError as error:
            raise HostError(f"{self.name}: {error.message}", hint=self._advice(error.message)) from None

    def _taken(self) -> LabFailure:
        told = self.told(["sh", "-c", 'cat "$0/lock" 2>/dev/null || true', FOLDER]).strip()
        holder, _, lab = told.partition(" ")
        if not lab:
            return LabFailure(f"another lab begins on {self.name}, or ends", hint="run it again")
        if lab == self._lab:
            return LabFailure(f"{self.name} is another host's second name", hint="each host of a lab is a machine of its own")
        hint = f"wait for it; if it is gone: ssh {self.name} sudo kill {holder}"
        return LabFailure(f"another lab uses {self.name}: {lab}", hint=hint)

    def _undo_an_earlier_one(self) -> None:
        if not self.told(["sh", "-c", '[ ! -e "$0" ] || echo yes', NOTES]).strip():
            return
        try:
            found = notes_.read(self.get(NOTES).decode(errors="replace"))
        except LabFailure as error:
            raise LabFailure(f"{self.name}: {error.message}", hint=f"look at it, then: ssh {self.name} sudo rm {NOTES}") from None
        if written := self.told(["sh", "-c", _WRITTEN_SINCE, FOLDER]).split():
            raise LabFailure(
                f"somebody has written {', '.join(written)} on {self.name} since {found.lab} was killed",
                hint=f"what that left would go with it: save it; or, to keep a node there: ssh {self.name} sudo rm -r {FOLDER}",
            )
        self._undo(found, keep_claim=True)

    def _must_be_free(self) -> None:
        if taken := self.told(["sh", "-c", _TAKEN]).splitlines():
            raise LabFailure(
                f"{self.name} has a node of its own: {', '.join(taken[:3])}",
                hint="a lab takes hosts without one, since it writes there itself; purge it, or take another host",
            )

    def _as_it_is(self) -> Notes:
        found: dict[str, list[str]] = {"user": [], "folder": [], "enabled": []}
        for line in self.told(["sh", "-c", _BEFORE]).splitlines():
            noun, _, name = line.partition(" ")
            found[noun].append(name)
        users, folders = tuple(found["user"]), tuple(found["folder"])
        return Notes(self._lab, users, folders, enabled=bool(found["enabled"]))

    def _write(self, notes: Notes) -> None:
        self.put(NOTES, notes.text().encode())
        self._notes = notes

    # --- the package ----------------------------------------------------------------------------------------------------------

    def _bring(self, package: Path) -> Brought:
        there = FOLDER / package.name
        with self._told_of(package.name):
            self.put(there, package.read_bytes())
            coming = notes_.coming(self.told([*_APT, "--simulate", "install", there]))
        if coming.changed:
            raise LabFailure(
                f"on {self.name} apt would change what is there: {', '.join(coming.changed)}",
                hint="what is changed cannot be undone: upgrade that host first",
            )
        return Brought(there, coming.new)

    def _install(self, brought: Brought) -> None:
        before = self._states()
        configured = tuple(name for name in brought.coming if before.get(name) == notes_.CONFIGURED)
        assert self._notes is not None
        self._write(replace(self._notes, came=brought.coming, configured=configured))
        self._go_on()
        with self._told_of(brought.package.name):
            self.told([*_APT, "install", brought.package], seconds=INSTALL_SECONDS)

    @contextmanager
    def _told_of(self, package: str) -> Iterator[None]:
        try:
            yield
        except HostError as error:
            hint = (
                self._advice(error.message) or f"what it needs comes from that host's mirror: ssh {self.name} sudo apt-get update"
            )
            raise LabFailure(f"{package} cannot be installed on {self.name}: {error.message}", hint=hint) from error

    def _advice(self, said: str) -> str:
        """What may help, by what the programs there said; empty if nothing is known."""
        if "No space left" in said or "enough free space" in said:
            return f"make room there, 300 MB: ssh {self.name} df -h /var /usr"
        if "lock" in said:
            return f"another program installs packages there; wait for it: ssh {self.name} ps -C apt-get,dpkg,unattended-upgr"
        return ""

    def _states(self) -> dict[str, str]:
        return notes_.states(self.told(_STATES))

    # --- and off again --------------------------------------------------------------------------------------------------------

    def _undo(self, notes: Notes, *, keep_claim: bool = False) -> list[str]:
        """What is left all the same. Raises HostError."""
        with suppress(HostError):
            self.told(["systemctl", "stop", "appliance.service"])
        self.unit.forget(enabled=notes.enabled)
        self._take_off(notes)
        for path in map(str, STATE):
            emptied = '[ ! -d "$0" ] || find "$0" -mindepth 1 -delete' if path in notes.folders else 'rm -rf "$0"'
            self.told(["sh", "-c", emptied, path])
        stay = notes_.installed(self._states(), notes.came)
        for user in USERS:
            if user not in notes.users and PACKAGE not in stay:
                self.told(["sh", "-c", '! getent passwd "$0" >/dev/null || userdel "$0"', user])
        left = [f"package {each} on {self.name}" for each in stay]
        left += [f"{each} on {self.name}" for each in self.told(["sh", "-c", _TAKEN]).splitlines()]
        self.told(["sh", "-c", 'find "$0" -mindepth 1 ! -name lock -delete' if keep_claim else 'rm -rf "$0"', FOLDER])
        return left

    def _take_off(self, notes: Notes) -> None:
        """Only what came with the lab, and of that nothing that others need by now: dpkg refuses that."""
        for verb, wanted in (
            ("--purge", [name for name in notes.came if name not in notes.configured]),
            ("--remove", list(notes.configured)),
        ):
            if present := notes_.installed(self._states(), wanted):
                self._dpkg(verb, "--force-remove-reinstreq", *present)

    def _dpkg(self, *words: str) -> None:
        """What it did not do is seen afterwards. Raises HostError."""
        self.told([*_PLAIN, "sh", "-c", _DPKG, "sh", *words], seconds=INSTALL_SECONDS)
