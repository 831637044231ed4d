"""A host that is a virtual machine under qemu, which runs in the network namespace where the host's wires come out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from appliance.errors import HostError
from appliance.lab import network
from appliance.lab.guests import network_files, taps
from appliance.lab.guests.guest import Guest
from appliance.lab.guests.image import Image
from appliance.lab.layout import End, Route
from appliance.lab.machines.machine import LabFailure
from appliance.lab.machines.remote import RemoteMachine
from appliance.lab.machines.unit import Unit
from appliance.lab.namespace import Namespace

FOLDER = Path("/var/lib/appliance-lab")
PATIENT: Final = Path("/run/systemd/system/appliance.service.d/40-guest.conf")
"""Until the next boot: `systemctl enable` has systemd read it."""
PATIENCE: Final = b"[Service]\nTimeoutStopSec=240\nTimeoutAbortSec=60\n"
"""A node that undoes everything on a crowded machine, where an instruction costs ten, takes more than the minute of its unit."""


class GuestMachine(RemoteMachine):
    """It starts when its wires are there, and keeps its disk until it is removed."""

    kind: ClassVar[str] = "guest"
    slowness: ClassVar[float] = 10.0

    def __init__(self, name: str, namespace: Namespace, directory: Path, image: Image, card: str) -> None:
        super().__init__(name, directory, FOLDER)
        self.namespace = namespace
        self.guest = Guest(
            name, image, directory, namespace, card=card, tag_env={"LAB_DIRECTORY": str(directory), "HOME": str(directory)}
        )
        self.unit = GuestUnit(self)
        self.service = self.unit
        self._ends: list[End] = []
        self._abandoned = False

    @property
    def place(self) -> str:
        """With its Debian."""
        return f"guest {self.name} (Debian {self.guest.image.suite}, {self.guest.image.arch})"

    def ssh(self) -> list[str]:
        """Through the namespace that its qemu is in."""
        return self.guest.ssh_words()

    def create(self) -> None:
        """Its namespace. The machine comes up with its wires: see `set_routes`."""
        self.namespace.create()

    def attach(self, end: End, mtu: int) -> None:
        """A card in the guest."""
        tap = taps.join(self.namespace, end.device, mtu)
        self.guest.connect_card(tap, self._hardware_address(len(self._ends)), wire=end.device, mtu=mtu)
        self._ends.append(end)

    def set_routes(self, routes: Sequence[Route]) -> None:
        """The first time the machine comes up, with all of its addresses and these routes, which stay over a boot."""
        if self.guest.running:
            network.set_routes(self.ip, routes)
            return
        if self.guest.can_restore:
            self.guest.restore()
        else:
            self.guest.power_on()
        if self._abandoned:
            self.guest.cut_power()
        self.guest.wait()
        self.guest.settle(self.name)
        for end in self._ends:
            through = [network_files.Route(route.prefix, route.via) for route in routes if route.device == end.device]
            self.guest.configure(end.device, end.addresses, through)

    def abandon(self) -> None:
        """Whoever waits for the guest hears that it is gone."""
        self._abandoned = True
        self.guest.cut_power()

    def remove(self) -> list[str]:
        """And its disk goes with the lab's directory."""
        self.hang_up()
        self.guest.remove()
        self.namespace.delete()
        return []

    def cut_power(self) -> None:
        """By SIGKILL of qemu."""
        self.guest.cut_power()
        self.hang_up()
        self.forget_programs()

    def power_on(self) -> None:
        """A cold boot from its disk."""
        try:
            self.guest.power_on()
            self.guest.wait()
        except HostError as error:
            raise LabFailure(error.message, hint=error.hint) from error

    def pause(self) -> None:
        """By qemu's monitor."""
        self.guest.pause()

    def resume(self) -> None:
        """By qemu's monitor."""
        self.guest.resume()

    def _hardware_address(self, number: int) -> str:
        """Locally administered, and another one for each card of the lab."""
        digest = hashlib.sha256(f"{self.namespace.name} {number}".encode()).hexdigest()
        return f"52:54:{digest[:2]}:{digest[2:4]}:{digest[4:6]}:{digest[6:8]}"


class GuestUnit(Unit):
    """The service of a guest: to kill it is to cut the power."""

    def __init__(self, machine: GuestMachine) -> None:
        super().__init__(machine)
        self._guest = machine

    @property
    def runs(self) -> bool:
        """Not without power."""
        return self._guest.guest.running and super().runs

    def start(self) -> None:
        """With the machine, if that is off."""
        if not self._guest.guest.running:
            self._guest.power_on()
        self._guest.put(PATIENT, PATIENCE, 0o644)
        super().start()

    def kill(self) -> None:
        """All that runs there, as it says."""
        self._guest.cut_power()
