"""Labs on hosts that are there already, named in an ssh_config as `vagrant ssh-config` writes it."""

from __future__ import annotations

import ipaddress
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.api.values import Interface
from appliance.errors import HostError, ProfileError
from appliance.lab.definition import LabFile
from appliance.lab.layout import End, Layout
from appliance.lab.machines.machine import LabFailure, Machine
from appliance.lab.machines.remote import UNREACHABLE
from appliance.lab.machines.sshed import CONNECT_SECONDS, SshMachine
from appliance.lab.naming import Tag
from appliance.lab.packages import Packages
from appliance.lab.underlay import Underlay

_QUIETLY: Final = ("-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", f"ConnectTimeout={CONNECT_SECONDS}")


class SshHosts:
    """The rig. Each host of a lab is the one of that name in the file."""

    def __init__(self, config: Path, packages: Packages) -> None:
        self._config = config
        self._packages = packages

    def describe(self) -> str:
        """As the file has it."""
        return f"that of its name in {self._config}"

    def prepare(self, definition: LabFile, say: Callable[[str], None]) -> None:
        """Refuse what lies between hosts: it is theirs. Raises ProfileError."""
        say(f"on the hosts {', '.join(definition.hosts)} of {self._config}")
        self.refuse(definition)
        self._reach(definition.hosts)

    @staticmethod
    def refuse(definition: LabFile) -> None:
        """What such hosts have not, whichever they are. Raises ProfileError."""
        for what in _not_there(definition):
            raise ProfileError(
                f"the lab {definition.name} wants {what}, which hosts by SSH have not", hint="run it on namespaces or on vms"
            )

    def _reach(self, names: Iterable[str]) -> None:
        """All must answer before one of them is changed. Raises HostError with all that do not."""
        calling = {name: ["ssh", "-F", str(self._config), *_QUIETLY, name, "true"] for name in names}
        try:
            logins = {
                name: subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                for name, words in calling.items()
            }
        except FileNotFoundError:
            raise HostError("there is no program ssh here", hint="install it: apt install openssh-client") from None
        said = {name: login.communicate()[1].decode(errors="replace").strip() for name, login in logins.items()}
        missed = {name: said[name] for name, login in logins.items() if login.returncode == UNREACHABLE}
        if missed:
            told = "; ".join(f"{name}: {why}" for name, why in missed.items())
            by_hand = shlex.join(["ssh", "-F", str(self._config), next(iter(missed))])
            raise HostError(f"hosts of {self._config} are not reached: {told}", hint=f"try: {by_hand}")

    def machine(self, name: str, tag: Tag, directory: Path) -> Machine:
        """The host of that name."""
        return SshMachine(name, directory, self._config, tag, self._packages.find)

    def underlay(self, tag: Tag, layout: Layout, machines: Mapping[str, Machine]) -> Underlay | None:  # noqa: ARG002
        """Theirs."""
        return None

    def addresses(self, layout: Layout, machines: Mapping[str, Machine]) -> Mapping[str, str]:
        """The one that a host has within the prefix of the wire; if none, the one that ssh calls."""
        has = {name: machine.addresses() for name, machine in machines.items() if isinstance(machine, SshMachine)}
        called = {}
        for wire in layout.wires:
            for end in wire.ends:
                for wanted in end.addresses:
                    found = _within(wanted, has[end.machine]) or self._dialled(end.machine, wanted.version)
                    if found is not None:
                        called[str(wanted.ip)] = found
                if not any(str(wanted.ip) in called for wanted in end.addresses):
                    raise LabFailure(_unknown(end), hint="give it one, or let its HostName be an address that the others reach")
        return called

    def _dialled(self, name: str, version: int) -> str | None:
        """The address that ssh(1) calls, unless only this machine can."""
        told = subprocess.run(["ssh", "-F", self._config, "-G", name], capture_output=True, text=True, check=False).stdout
        host = next((line.split()[1] for line in told.splitlines() if line.startswith("hostname ")), name)
        with suppress(OSError, ValueError):
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            address = ipaddress.ip_address(socket.getaddrinfo(host, None, family)[0][4][0])
            return None if address.is_loopback else str(address)
        return None


def _within(wanted: Interface, has: list[Interface]) -> str | None:
    inside = [address for address in has if address.version == wanted.version and address.ip in wanted.network]
    return next((str(address.ip) for address in sorted(inside, key=lambda each: each.ip != wanted.ip)), None)


def _unknown(end: End) -> str:
    networks = " or ".join(str(address.network) for address in end.addresses)
    return f"{end.machine} has no address in {networks}, and ssh reaches it by one that is this machine's alone"


def _not_there(definition: LabFile) -> Iterator[str]:
    if definition.routers or any(host.behind for host in definition.hosts.values()):
        yield "routers"
    if any(link.impair is not None for link in definition.links):
        yield "bad wires (impair)"
    for step in definition.steps:
        if step.do in ("cut", "heal", "uplink", "flush"):
            yield f"to {step.do}"
    if any(host.uplink is not None for host in definition.hosts.values()):
        yield "an uplink"
