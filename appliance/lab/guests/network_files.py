"""The texts of systemd.link(5) and systemd.network(5) files, and of /etc/hosts, that a guest has. Pure.

Cards are known by their PCI slots: a hardware address is chosen by the lab, and the order in which cards come is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from appliance.api.values import Interface, Network

MGMT: Final = "mgmt"
"""The card that ssh comes in by."""
MGMT_SLOT: Final = 0x03
FIRST_SLOT: Final = 0x10
"""Of the cards on the lab's wires."""
MOST_CARDS: Final = 8
FOLDER: Final = "etc/systemd/network"


class Route(NamedTuple):
    """A route of a guest's main table."""

    prefix: Network
    via: str
    """The router's address."""


def link_path(number: int) -> str:
    """The file that names the `number`-th card."""
    return f"{FOLDER}/10-card-{number}.link"


def link(slot: int, name: str, mtu: int | None = None) -> str:
    """Gives a name to the card in a PCI slot, on any machine of qemu."""
    size = f"MTUBytes={mtu}\n" if mtu is not None else ""
    return f"[Match]\nPath=*pci-0000:00:{slot:02x}.0\n[Link]\nName={name}\n{size}"


def waiting_name(number: int) -> str:
    """What the `number`-th card is called until it has the name of its wire."""
    return f"card{number}"


def wire_path(wire: str) -> str:
    """The file with a wire's addresses."""
    return f"{FOLDER}/20-{wire}.network"


def wire(name: str, addresses: Iterable[Interface], routes: Iterable[Route] = ()) -> str:
    """Addresses that are usable at once, and routes; no other address but these, as in a namespace of a lab."""
    return (
        f"[Match]\nName={name}\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        + "".join(f"[Address]\nAddress={address}\nDuplicateAddressDetection=none\n" for address in addresses)
        + "".join(f"[Route]\nDestination={route.prefix}\nGateway={route.via}\n" for route in routes)
    )


def hosts(name: str) -> str:
    """An /etc/hosts by which the host knows itself."""
    return f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n"


FIRST: Final = {
    f"{FOLDER}/10-{MGMT}.link": link(MGMT_SLOT, MGMT),
    f"{FOLDER}/10-{MGMT}.network": (
        f"[Match]\nName={MGMT}\n[Network]\nAddress=10.0.2.15/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    ),
    **{link_path(number): link(FIRST_SLOT + number, waiting_name(number)) for number in range(MOST_CARDS)},
}
"""The files of an image."""
