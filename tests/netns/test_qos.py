"""Traffic classes and rates between two real nodes. How fast is a question for `make bench`; here it is what goes before what."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from appliance.client import Client
from appliance.errors import ExitCode
from appliance.linux.scheduling import SHORT_SLICE, slice_of
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

EF, CS1 = 0xB8, 0x20
KERNEL = tuple(int(part) for part in os.uname().release.split(".")[:2])
RATE = 1_000_000
"""Bytes a second, 8 Mbit/s: slow enough that a busy machine keeps it."""


def pings(host: Host, address: str, tos: int, *, count: int = 1, patience: float = 10) -> int:
    """How many echoes come back, each within `patience` seconds? One by one: of several, ping(8) does not wait so long for the
    last, and asked to wait for all it sends more."""
    ping = f"ping -n -Q {tos} -c 1 -W {patience:g} {address}"
    return sum("1 received" in host.namespace.sh(ping, check=False) for _ in range(count))


def classes_of(host: Host) -> dict[str, Any]:
    """The classes now. Asks over the socket: before a command has started on a busy machine, what waited would have left."""
    found: dict[str, Any] = host.namespace.run(lambda: Client("").call("status"))["qos"]
    return found


def flood(size: int, count: int) -> None:
    """Send datagrams that ask for the class bulk."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, CS1)
        sock.connect(("10.8.0.2", 9))
        for _ in range(count):
            try:
                sock.send(bytes(size))
            except ConnectionRefusedError:  # an echo of an earlier one, to which nobody listened
                continue


def pile_up(host: Host, least: int) -> dict[str, Any]:
    """Flood until so many bytes wait in the class bulk; the classes then."""
    deadline = time.monotonic() + 60
    while True:
        host.namespace.run(flood, 1200, 500)
        classes = classes_of(host)
        if classes["bulk"]["queued"] >= least:
            return classes
        assert time.monotonic() < deadline, classes


@pytest.fixture
def capped(hosts: tuple[Host, Host]) -> tuple[Host, Host]:
    """Both nodes up with classes; the first sends RATE at most."""
    first, second = hosts
    first.write(second, more="qos: {}", peering="rate: 8Mbit")
    second.write(first, more="qos: {}", endpoints='"udp://192.0.2.1:8443"')
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    return first, second


def test_classes_are_told_apart_on_the_way_through_two_nodes(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.write(second, more="qos: {rules: [{protocol: icmp, from: 10.8.0.1, to: 10.8.0.2, dscp: [10], class: interactive}]}")
    second.write(first, more="qos: {}", endpoints='"udp://192.0.2.1:8443"')
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    before = {host: host.status()["qos"] for host in hosts}
    assert pings(first, "10.8.0.2", EF, count=3) == 3
    assert pings(first, "fd00:8::2", EF, count=2) == 2
    assert pings(first, "10.8.0.2", CS1, count=4) == 4
    assert pings(first, "10.8.0.2", 10 << 2, count=6) == 6
    sent = {
        host: {name: figures["packets"] - before[host][name]["packets"] for name, figures in host.status()["qos"].items()}
        for host in hosts
    }
    assert (sent[first]["interactive"], sent[first]["bulk"]) == (3 + 2 + 6, 4)
    assert (sent[second]["interactive"], sent[second]["bulk"]) == (3 + 2, 4), "the answers; there is no such rule there"
    assert re.search(r"(?i)^class +sent +dropped +marked +waiting *$", first.command("status").stdout, re.MULTILINE)


def test_a_call_goes_before_what_waits(capped: tuple[Host, Host]) -> None:
    first, _ = capped
    pile_up(first, 3 * RATE)
    assert pings(first, "10.8.0.2", CS1, patience=0.5) == 0, "seconds of its class wait before it"
    assert pings(first, "10.8.0.2", EF, count=3) == 3
    assert pings(first, "10.8.0.2", 0) == 1
    assert classes_of(first)["bulk"]["queued"] > 0, "it still waits"


def test_a_rate_is_kept(capped: tuple[Host, Host]) -> None:
    first, _ = capped
    pile_up(first, 4 * RATE - 200_000)
    times, sent = [time.monotonic()], []
    for _ in range(2):
        sent.append(classes_of(first)["bulk"]["bytes"])
        times.append(time.monotonic())
        first.namespace.sh("ping -n -q -c 5 -i 0.2 127.0.0.1")
    rate = sent[1] - sent[0]
    assert rate <= RATE * (times[2] - times[0]) + 20_000
    assert rate >= RATE * 0.3, "four fifths of a second passed between the two"
    status = first.status()
    assert abs(status["drops"]["over_rate"] - status["qos"]["bulk"]["dropped"]) <= 64, "the worker goes on while they are read"


def test_the_profile_can_change_under_way(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    status = first.status()
    session = status["sessions"][0]["session"]
    assert status["qos"] is None
    first.write(second, more="qos: {weights: {bulk: 2}}", peering="rate: 8Mbit")
    assert first.command("apply").returncode == ExitCode.OK
    assert pings(first, "10.8.0.2", EF) == 1
    assert pile_up(first, RATE)["interactive"]["packets"] == 1
    arrived = "cat /proc/net/snmp | awk '/^Udp:/ && $2 ~ /[0-9]/ {print $2 + $3}'"
    waiting = first.status()["qos"]["bulk"]["queued"] // (10 + 28 + 1200)
    before = int(second.namespace.sh(arrived))
    first.write(second)
    assert first.command("apply").returncode == ExitCode.OK
    status = first.status()
    assert status["qos"] is None
    assert status["sessions"][0]["session"] == session
    assert pings(first, "10.8.0.2", CS1) == 1, "and nothing holds it up"
    assert int(second.namespace.sh(arrived)) - before > waiting / 2, "what waited was sent, not forgotten"


def test_the_worker_goes_before_other_processes_while_there_are_classes(capped: tuple[Host, Host]) -> None:
    first, second = capped
    worker = first.status()["worker"]["pid"]
    autogroup = Path(f"/proc/{worker}/autogroup")
    assert os.getpriority(os.PRIO_PROCESS, worker) == -10
    assert not autogroup.exists() or autogroup.read_text().endswith("nice -10\n")
    first.write(second)
    assert first.command("apply").returncode == ExitCode.OK
    assert os.getpriority(os.PRIO_PROCESS, worker) == 0
    assert not autogroup.exists() or autogroup.read_text().endswith("nice 0\n")


@pytest.mark.skipif(KERNEL < (6, 12), reason="slices can be asked for since Linux 6.12")
def test_the_worker_runs_soon_after_it_woke_up_while_there_are_classes(capped: tuple[Host, Host]) -> None:
    first, second = capped
    worker = first.status()["worker"]["pid"]
    assert slice_of(worker) == SHORT_SLICE
    first.write(second)
    assert first.command("apply").returncode == ExitCode.OK
    assert first.pings("10.8.0.2")
    assert slice_of(worker) == slice_of(0)


def test_a_new_worker_knows_the_classes(capped: tuple[Host, Host]) -> None:
    first, _ = capped
    assert pings(first, "10.8.0.2", EF) == 1
    first.namespace.sh(f"kill -9 {first.status()['worker']['pid']}")
    first.hear("worker restarted")
    assert first.pings("10.8.0.2")
    assert pings(first, "10.8.0.2", EF) == 1
    assert first.status()["qos"]["interactive"]["packets"] == 2, "what the dead one sent is still counted"
    assert pile_up(first, RATE)["bulk"]["queued"] >= RATE, "the rate holds"


def test_two_workers_keep_to_the_classes_and_to_the_rate(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.write(second, more="qos: {}", peering="rate: 8Mbit", network="workers: 2")
    second.write(first, more="qos: {}", endpoints='"udp://192.0.2.1:8443"', network="workers: 2")
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    assert len(first.status()["worker"]["pids"]) == 2
    assert pings(first, "10.8.0.2", EF, count=3) == 3
    assert first.status()["qos"]["interactive"]["packets"] == 3, "however many of them changed hands"
    pile_up(first, 3 * RATE)
    assert pings(first, "10.8.0.2", EF, count=3) == 3
    assert classes_of(first)["bulk"]["queued"] > 0, "they went before it"
