"""Two machines under qemu on one wire: they go on from a snapshot, reach each other, and one of them loses power and boots."""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance.lab.guests import images, taps
from appliance.lab.guests.guest import Guest
from appliance.lab.guests.image import Image
from appliance.lab.namespace import Namespace, ip
from appliance.lab.naming import new_tag

pytestmark = [
    pytest.mark.netns,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not (shutil.which("qemu-system-x86_64") and shutil.which("mmdebstrap")), reason="needs qemu-system-x86 and mmdebstrap"
    ),
]
ADDRESSES = {
    "left": [ipaddress.ip_interface("192.0.2.1/24"), ipaddress.ip_interface("2001:db8::1/64")],
    "right": [ipaddress.ip_interface("192.0.2.2/24"), ipaddress.ip_interface("2001:db8::2/64")],
}
PING = "ping -n -c 1 -w 60 {address}"
"""Until an answer comes."""


def test_two_guests_meet_and_one_loses_power(pair: tuple[Guest, Guest]) -> None:
    left, right = pair
    for guest in pair:
        guest.restore()
    for guest in pair:
        guest.wait()
        guest.settle(guest.name)
        guest.configure("wan", ADDRESSES[guest.name])
    assert_they_meet(pair)
    for look in ("cat /proc/sys/kernel/random/uuid", "cat /etc/machine-id", "hostname"):
        assert left.run(look) != right.run(look), look
    right.run("echo kept >/root/kept && sync /root/kept")
    right.cut_power()
    assert not right.running
    right.power_on()
    right.wait()
    assert right.run("hostname; cat /root/kept").split() == ["right", "kept"]
    assert_they_meet(pair)


def assert_they_meet(pair: tuple[Guest, Guest]) -> None:
    """Over IPv4 and IPv6, both ways; and a megabyte passes in segments that only offloads make."""
    left, right = pair
    for guest, other in ((left, "right"), (right, "left")):
        for address in ADDRESSES[other]:
            guest.run(PING.format(address=address.ip))
    right.run("setsid -f iperf3 -s -1 >/dev/null 2>&1; until ss -ltn | grep -q :5201; do sleep 0.1; done")
    left.run("iperf3 -c 192.0.2.2 -n 1M")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Guest, Guest]]:
    """Two guests that are off, on the wire "wan": one with a card of virtio, one with an e1000."""
    image = images.make("bookworm", "amd64", None, say=print)
    tag = new_tag()
    one, other = Namespace(f"{tag}-left"), Namespace(f"{tag}-right")
    with ExitStack() as undo:
        for namespace in (one, other):
            undo.callback(namespace.delete)
            namespace.create()
        ip("link", "add", "wan", "netns", one.name, "type", "veth", "peer", "name", "wan", "netns", other.name)
        left = made("left", image, tmp_path, one, "virtio-net-pci", "52:54:00:00:02:01")
        undo.callback(left.remove)
        right = made("right", image, tmp_path, other, "e1000", "52:54:00:00:02:02")
        undo.callback(right.remove)
        yield left, right


def made(name: str, image: Image, folder: Path, namespace: Namespace, card: str, mac: str) -> Guest:
    (folder / name).mkdir()
    guest = Guest(name, image, folder / name, namespace, card=card, tag_env={"GUESTS_OF": str(folder)})
    guest.connect_card(taps.join(namespace, "wan", 1500), mac, wire="wan")
    return guest
