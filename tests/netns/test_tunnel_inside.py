"""A tunnel of somebody else's inside of the overlay: VXLAN without a UDP checksum, as most use it."""

from __future__ import annotations

import hashlib
import random
import socket
import threading

import pytest

from tests.netns.daemons import Host

pytestmark = pytest.mark.netns
SIZE = 8 << 20
VXLAN = "ip link add vx0 type vxlan id 5 dstport 4789 local 10.8.0.{0} remote 10.8.0.{1} noudpcsum"
UP = "ip addr add 172.16.0.{0}/24 dev vx0; ip link set vx0 mtu 1350 up"


def test_a_transfer_inside_of_vxlan_arrives_whole_and_nothing_is_lost(hosts: tuple[Host, Host]) -> None:
    """Kernels from 6.17 on leave the inner checksum to the TUN: who neither completes it nor asks for it makes garbage of it."""
    one, two = hosts
    one.start()
    two.start()
    assert two.pings("10.8.0.1")
    for host, number in ((one, 1), (two, 2)):
        try:
            host.namespace.sh(VXLAN.format(number, 3 - number))
        except AssertionError as error:
            pytest.skip(f"no VXLAN here: {error}")
        host.namespace.sh(UP.format(number))
    content = random.Random(1).randbytes(SIZE)
    listening = one.namespace.run(listener)
    received = hashlib.sha256()

    def take() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(30)
            while data := connection.recv(1 << 16):
                received.update(data)

    taking = threading.Thread(target=take)
    taking.start()
    with listening, two.namespace.run(socket.create_connection, ("172.16.0.1", 9), 20) as sending:
        sending.sendall(content)
        sending.shutdown(socket.SHUT_WR)
        taking.join()
    assert received.digest() == hashlib.sha256(content).digest()
    for host in hosts:
        assert "malformed" not in host.status()["drops"]
        assert errors(host) == {"TcpInErrs": 0, "TcpInCsumErrors": 0, "UdpInCsumErrors": 0}


def listener() -> socket.socket:
    sock = socket.create_server(("172.16.0.1", 9))
    sock.settimeout(30)
    return sock


def errors(host: Host) -> dict[str, int]:
    """The kernel's counters of what it could not take."""
    found = {}
    lines = host.namespace.run(lambda: open("/proc/thread-self/net/snmp").read()).splitlines()  # noqa: PTH123, SIM115
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        kind = names.split(":")[0]
        found |= {f"{kind}{name}": int(value) for name, value in zip(names.split()[1:], values.split()[1:], strict=True)}
    return {name: found[name] for name in ("TcpInErrs", "TcpInCsumErrors", "UdpInCsumErrors")}
