"""The middle of a wire: a bridge in a namespace of its own. It joins more than two machines, can be taken apart, and may have
bad lines to its machines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from appliance.errors import HostError
from appliance.foundation import interpreter
from appliance.lab.impairment import Impairment
from appliance.lab.layout import Wire
from appliance.lab.namespace import Namespace, ip

BRIDGE: Final = "switch"
END_SECONDS: Final = 5.0


class Switch:
    """The switch of one wire. The lab makes it."""

    def __init__(self, wire: Wire, namespace: Namespace, impairment: Impairment | None) -> None:
        self.wire = wire
        self.namespace = namespace
        self._impairment = impairment
        self._relay: subprocess.Popen[str] | None = None
        self._islands = 1

    def create(self) -> None:
        """Make the namespace and the bridge. Raises HostError."""
        self.namespace.create()
        self._add_bridge(BRIDGE)

    def plug(self, number: int, machine: Namespace, device: str) -> None:
        """A cable from the bridge to the `number`-th machine, whose end is called `device`. Raises HostError."""
        peer = ["peer", "name", device, "netns", machine.name]
        self._ip("link", "add", self._port(number), "mtu", self._mtu, "type", "veth", *peer)
        if self._impairment is not None:
            self._add_line(number)
            # One packet a frame, or a loss would take dozens with it.
            ip("link", "set", device, "gso_max_segs", "1", namespace=machine.name)
        self._ip("link", "set", self._port(number), "up")
        self._ip("link", "set", self._bridged(number), "master", BRIDGE, "up")

    def start(self, directory: Path) -> None:
        """Start what impairs its lines, once all are plugged in. `directory` marks the process as one of the lab's. Raises
        HostError."""
        if self._impairment is None:
            return
        lines = [(self._port(number), _line(number)) for number in range(len(self.wire.ends))]
        told = json.dumps({"impairment": self._impairment.document(), "lines": lines})
        self._relay = subprocess.Popen(
            self.namespace.enter(interpreter.command("appliance.lab.wire_relay", told)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"LAB_DIRECTORY": str(directory)},
            start_new_session=True,  # a Ctrl-C is for the lab
        )
        assert self._relay.stdout is not None
        said = self._relay.stdout.readline()
        if said != "ready\n":
            raise HostError(
                f"the bad wire {self.wire.name} does not come up: {(said + self._relay.stdout.read()).strip()[-500:]}"
            )

    def part(self, groups: Sequence[Sequence[str]]) -> None:
        """Only hosts of one group still reach each other, until `join`. Whom no group names stays with the first. Raises
        HostError."""
        self.join()
        for group in groups[1:]:
            bridge = f"{BRIDGE}{self._islands}"
            self._islands += 1
            self._add_bridge(bridge)
            for host in group:
                self._ip("link", "set", self._bridged(self.wire.link.hosts.index(host)), "master", bridge)

    def join(self) -> None:
        """All hosts reach each other again. Raises HostError."""
        for number in range(len(self.wire.ends)):
            self._ip("link", "set", self._bridged(number), "master", BRIDGE)
        for number in range(1, self._islands):
            self._ip("link", "del", f"{BRIDGE}{number}")
        self._islands = 1

    @property
    def troubles(self) -> list[str]:
        """A sentence if it is not as it was built; to be asked before it is removed."""
        if self._relay is None or self._relay.poll() is None:
            return []
        return [f"the bad wire {self.wire.name} ended with {self._relay.returncode}"]

    def remove(self) -> None:
        """Remove the namespace and all that is in it. Raises HostError."""
        self.namespace.delete()
        if self._relay is not None:
            self._relay.wait(END_SECONDS)
            assert self._relay.stdout is not None
            self._relay.stdout.close()

    def _add_bridge(self, name: str) -> None:
        self._ip("link", "add", name, "mtu", self._mtu, "type", "bridge")
        self._ip("link", "set", name, "up")

    def _add_line(self, number: int) -> None:
        line, tap = _line(number), self._bridged(number)
        self._ip("link", "add", line, "mtu", self._mtu, "type", "veth", "peer", "name", tap)
        self._ip("link", "set", tap, "mtu", self._mtu)
        self._ip("link", "set", line, "up")

    def _bridged(self, number: int) -> str:
        return self._port(number) if self._impairment is None else f"tap{number}"

    @staticmethod
    def _port(number: int) -> str:
        return f"port{number}"

    @property
    def _mtu(self) -> str:
        return str(self.wire.link.mtu)

    def _ip(self, *words: str) -> None:
        ip(*words, namespace=self.namespace.name)


def _line(number: int) -> str:
    return f"line{number}"
