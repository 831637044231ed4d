"""TUN devices of the real kernel."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
from pathlib import Path

import pytest

from appliance.apply import engine
from appliance.errors import HostError
from appliance.linux import tun
from appliance.runtime import loading
from appliance.runtime.host.tun_queues import TunQueues
from appliance.runtime.in_force import InForce
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

VNET_HEADER_BYTES = 10


def test_a_device_outlives_its_maker(namespace: Throwaway) -> None:
    assert namespace.fork(tun.create, "llp0").error is None
    assert "tun type tun pi off vnet_hdr on persist on" in namespace.sh("ip -d link show dev llp0")


def test_making_it_twice_changes_nothing(namespace: Throwaway) -> None:
    namespace.run(tun.create, "llp0")
    namespace.run(tun.create, "llp0")


@pytest.mark.parametrize(
    ("offload", "granted"), [(True, {"csum", "tso4", "tso6", "uso4", "uso6"}), (False, set())], ids=["auto", "off"]
)
def test_packets_come_with_a_virtio_header(namespace: Throwaway, offload: bool, granted: set[str]) -> None:
    namespace.run(tun.create, "llp0")
    namespace.sh("sysctl -qw net.ipv6.conf.llp0.disable_ipv6=1; ip addr add 10.8.0.1/24 dev llp0; ip link set llp0 up")

    def one_datagram() -> tuple[frozenset[str], bytes]:
        device = tun.attach("llp0", offload=offload)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(50):  # the kernel activates the device a moment after the attachment
                sender.sendto(b"hello", ("10.8.0.2", 9))
                if select.select([device.fd], [], [], 0.1)[0]:
                    break
        packet = os.read(device.fd, 65536)
        device.close()
        return device.offloads, packet

    offloads, packet = namespace.run(one_datagram)

    assert offloads <= granted
    assert bool(offloads) is offload
    assert packet[VNET_HEADER_BYTES] >> 4 == 4
    assert packet.endswith(b"hello")
    (size,) = struct.unpack_from("!H", packet, VNET_HEADER_BYTES + 2)
    assert len(packet) == VNET_HEADER_BYTES + size


def test_a_missing_device_is_not_made_by_attaching(namespace: Throwaway) -> None:
    with pytest.raises(HostError, match="there is no interface llp0"):
        namespace.run(tun.attach, "llp0")
    assert "llp0" not in namespace.sh("ip link")


def test_a_device_that_is_taken(namespace: Throwaway) -> None:
    namespace.run(tun.create, "llp0")

    def twice() -> None:
        first = tun.attach("llp0")
        try:
            tun.attach("llp0")
        finally:
            first.close()

    with pytest.raises(HostError, match="opening the TUN device llp0") as refusal:
        namespace.run(twice)
    assert "another process" in refusal.value.hint


def test_a_queue_that_rests_gets_no_packets(namespace: Throwaway) -> None:
    namespace.run(tun.create, "llp0", multi_queue=True)
    namespace.sh("sysctl -qw net.ipv6.conf.llp0.disable_ipv6=1; ip addr add 10.8.0.1/24 dev llp0; ip link set llp0 up")

    def came_by() -> list[set[int]]:
        queues = [tun.attach("llp0", multi_queue=True) for _ in range(2)]
        came: list[int] = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not came:  # the kernel activates the device a moment after the attachment
                sender.sendto(b"hello", ("10.8.0.2", 9))
                came = select.select([queue.fd for queue in queues], [], [], 0.1)[0]
        for fd in came:
            os.read(fd, 65536)
        seen = []
        for change in (lambda: None, queues[0].rest, queues[0].serve):
            change()
            found: set[int] = set()
            for port in range(9, 209):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    sender.sendto(b"hello", ("10.8.0.2", port))
                for number, queue in enumerate(queues):
                    if select.select([queue.fd], [], [], 0)[0]:
                        os.read(queue.fd, 65536)
                        found.add(number)
            seen.append(found)
        for queue in queues:
            queue.close()
        return seen

    assert namespace.run(came_by) == [{0, 1}, {1}, {0, 1}]


def test_one_queue_and_several_do_not_mix(namespace: Throwaway) -> None:
    namespace.run(tun.create, "llp0")
    with pytest.raises(HostError, match="is not a TUN device of ours"):
        namespace.run(tun.attach, "llp0", multi_queue=True)


def test_something_else_of_that_name(namespace: Throwaway) -> None:
    namespace.sh("ip link add llp0 type veth peer name llp1")
    with pytest.raises(HostError, match="is not a TUN device"):
        namespace.run(tun.attach, "llp0")


def test_a_device_that_is_moved_away_while_another_one_is_made_goes(
    namespace: Throwaway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its daemon looked before the kernel had moved it, and so did not let go of it first."""
    monkeypatch.setattr(engine, "has_made", lambda *_: True)
    path = tmp_path / "profile.yaml"
    path.write_text("profile: 1\nname: a\nnetwork: {addresses: [10.8.0.1/24], workers: 1}\n")
    profile = loading.load_profile([path], loading.load_plugins([path], {}), {}).profile

    with Throwaway() as elsewhere:

        def replace() -> None:
            queues = TunQueues(InForce(profile, (path,), (path,)), tmp_path, lambda *_queues, device: None)
            tun.create("llp0")
            queues.open(profile)
            namespace.sh(f"ip link set llp0 netns {elsewhere.name}")
            tun.create("llp0")
            queues.reopen()
            asyncio.run(queues.close())

        namespace.run(replace)
        assert "llp0" in namespace.sh("ip link")
        assert "llp0" not in elsewhere.sh("ip link")
