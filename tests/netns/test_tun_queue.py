"""What waits in the TUN device for a worker that does not take it: a burst of a tunnel's, and what is too much, counted."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from appliance.planning.own import TX_QUEUE_PACKETS
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns
TOO_MANY = 300


def worker_of(host: Host) -> int:
    assert host.process is not None
    for pid in Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text().split():
        if b"appliance.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    raise AssertionError(host.heard.decode())


def burst(host: Host, to: str, number: int) -> None:
    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
            for _ in range(number):
                program.sendto(bytes(100), (to, 9))

    host.namespace.run(send)


def test_a_burst_waits_for_a_worker_that_is_busy_and_what_is_too_much_is_counted(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    one.start()
    two.start()
    assert two.pings("10.8.0.1")
    receiving = one.namespace.run(receiver)
    worker = worker_of(two)
    try:
        os.kill(worker, signal.SIGSTOP)
        burst(two, "10.8.0.1", TX_QUEUE_PACKETS + TOO_MANY)
    finally:
        os.kill(worker, signal.SIGCONT)
    with receiving:
        for _ in range(TX_QUEUE_PACKETS - 20):  # less what the kernel sends by itself
            assert len(receiving.recv(200)) == 100
    dropped = two.status()["drops"]["tun_full"]
    assert TOO_MANY <= dropped <= TOO_MANY + 20
    assert "tun_full" not in one.status()["drops"]


def receiver() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    sock.bind(("10.8.0.1", 9))
    sock.settimeout(20)
    return sock
