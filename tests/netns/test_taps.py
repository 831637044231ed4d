"""What a wire of the lab carries comes out of the tap, frame by frame, and the other way round."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from appliance.lab.guests import taps
from appliance.lab.namespace import Namespace, ip
from appliance.lab.naming import new_tag

pytestmark = pytest.mark.netns
GUEST, FAR = bytes.fromhex("525400000201"), bytes.fromhex("525400000202")
EXPERIMENT = b"\x88\xb5"
"""An EtherType that nobody uses (IEEE 802, local experiments)."""
LLDP = bytes.fromhex("0180c200000e")
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def test_frames_pass_both_ways_and_as_they_are(tap: int, far_end: socket.socket) -> None:
    sent = FAR + GUEST + EXPERIMENT + b"from the guest".ljust(1500, b".")
    os.write(tap, sent)
    assert heard(far_end) == sent
    answer = GUEST + FAR + EXPERIMENT + b"to the guest".ljust(1500, b".")
    far_end.send(answer)
    assert heard(tap) == answer


@pytest.mark.parametrize("to", [LLDP, b"\xff" * 6, bytes.fromhex("01005e010203")], ids=["lldp", "broadcast", "multicast"])
def test_what_a_bridge_would_keep_or_spread_passes(tap: int, far_end: socket.socket, to: bytes) -> None:
    sent = to + GUEST + EXPERIMENT + b".".ljust(64, b".")
    os.write(tap, sent)
    assert heard(far_end) == sent


def test_the_namespace_itself_has_no_address(tap: int, wire: tuple[Namespace, Namespace]) -> None:
    addresses = ip("-o", "addr", "show", namespace=wire[0].name).splitlines()
    assert [line for line in addresses if " lo " not in line] == []


@pytest.fixture
def wire() -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces and a wire "wan" between them, whose end in the first one leads into the tap."""
    tag = new_tag()
    near, far = Namespace(f"{tag}-near"), Namespace(f"{tag}-far")
    with ExitStack() as undo:
        for namespace in (near, far):
            undo.callback(namespace.delete)
            namespace.create()
        ip("link", "add", "wan", "netns", near.name, "type", "veth", "peer", "name", "wan", "netns", far.name)
        ip("link", "set", "wan", "addrgenmode", "none", namespace=far.name)
        ip("link", "set", "wan", "up", namespace=far.name)
        yield near, far


@pytest.fixture
def tap(wire: tuple[Namespace, Namespace]) -> Iterator[int]:
    """The guest's end, as qemu would open it."""
    near, _ = wire
    tap = taps.join(near, "wan", 1500)
    fd = near.call(attach, tap)
    while ip("-d", "link", namespace=near.name).count("state forwarding") < 2:
        """The kernel notices in its own time that both ends are there."""
    yield fd
    os.close(fd)


@pytest.fixture
def far_end(wire: tuple[Namespace, Namespace], tap: int) -> Iterator[socket.socket]:
    """The other end of the wire, which hears our experiments."""
    _, far = wire
    with far.call(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(int.from_bytes(EXPERIMENT))) as end:
        end.bind(("wan", int.from_bytes(EXPERIMENT)))
        yield end


def attach(tap: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", tap.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def heard(end: socket.socket | int) -> bytes:
    """The next frame of our experiment that comes out there."""
    fd = end if isinstance(end, int) else end.fileno()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while poll.poll(60_000):
        frame = os.read(fd, 9000)
        if frame[12:14] == EXPERIMENT:
            return frame
    raise AssertionError("nothing came")
