"""Two guests with a node each, and what the steps ask of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from tests.guests.guest import Guest, Unreachable
from tests.guests.image import Image

PROFILE = "/etc/appliance/profile.yaml"
CARDS = {"left": "virtio-net-pci", "right": "e1000"}
"""qemu's virtio has no tx checksum offload behind a datagram wire, its e1000 has one."""
MTU = 1400


class Pair:
    """`left` listens, `right` calls it. Use it as a context manager."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.left, self.right = (Guest(name, number, card, image, folder) for number, (name, card) in enumerate(CARDS.items(), 1))
        self.identities: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for guest in self.both:
            guest.lose_power()

    @property
    def both(self) -> tuple[Guest, Guest]:
        return self.left, self.right

    def profile(self, guest: Guest, *, mtu: int = MTU, more: str = "") -> str:
        """A guest's profile."""
        number, peer = (1, "right") if guest is self.left else (2, "left")
        endpoints = "" if guest is self.left else '"udp://192.0.2.1:8443"'
        return f"""profile: 1
name: {guest.name}
server: {{identity: "file:/etc/appliance/identity", listen: ["udp://0.0.0.0:8443"]}}
network: {{addresses: [10.8.0.{number}/24, "fd00:8::{number}/64"], mtu: {mtu}}}
{more}
peers:
  - name: {peer}
    identity: "{self.identities[peer]}"
    endpoints: [{endpoints}]
    allowed: [10.8.0.{3 - number}/32, "fd00:8::{3 - number}/128"]
"""

    def loss(self, count: int = 20, interval: float = 0.2) -> str:
        """Ping both ways, both kinds of address. Returns the loss in per cent, each; raises Unreachable when all is lost."""
        told = []
        for guest, other in ((self.left, 2), (self.right, 1)):
            for address in (f"10.8.0.{other}", f"fd00:8::{other}"):
                answer = guest.run(f"ping -q -c {count} -i {interval} -W 2 {address}", check=False)
                part = next((word for word in answer.split() if word.endswith("%")), "100%")
                if part == "100%":
                    raise Unreachable(f"{guest.name}: nothing comes back from {address}: {answer}")
                told.append(f"{guest.name} {address} {part}")
        return "lost: " + ", ".join(told)


def status(guest: Guest) -> dict[str, Any]:
    """What the node says of itself."""
    document: dict[str, Any] = json.loads(guest.run("appliance status --json || true"))
    return document


def mtu(guest: Guest) -> int:
    """Of the overlay's interface."""
    return int(guest.run("cat /sys/class/net/llp0/mtu"))


def main_pid(guest: Guest) -> int:
    """Of the service; 0 when it does not run."""
    return int(guest.run("systemctl show -p MainPID --value appliance"))


def is_active(guest: Guest) -> str:
    """What systemd says of the service: "active", "failed", …"""
    return guest.run("systemctl is-active appliance || true").strip()


def expect(true: bool, sentence: str) -> None:
    """Raise Unreachable with the sentence unless it is true."""
    if not true:
        raise Unreachable(sentence)
