"""Real nodes that are members of one network, and know one address: they find, keep and miss each other."""

from __future__ import annotations

import select
import signal
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from rigs.certified import Network, network

from appliance.client import Client
from appliance.errors import ExitCode
from appliance.runtime.members.row_file import read_rows
from tests.netns.daemons import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Network]:
    with network(tmp_path, 4) as found:
        yield found


def roster(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = host.namespace.run(lambda: Client("").call("status"))["mesh"]["roster"]
    return found


def until(host: Host, says: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask again and again until it is so; the test's time limit ends it otherwise."""
    while not says(found := roster(host)):
        select.select([], [], [], 0.1)
    return found


def all_ping(hosts: list[Host]) -> None:
    for one, other in permutations(hosts, 2):
        reaches(one, other)


def reaches(one: Host, other: Host) -> None:
    """Ping until it answers, since the machine may be busy; the test's time limit ends it otherwise."""
    while not one.pings(f"10.86.0.{other.number}"):
        pass


def test_four_that_know_one_address_find_each_other_and_one_that_was_killed_comes_back(four: Network) -> None:
    first, second, third, fourth = four.hosts
    for host in four.hosts:
        host.start()
    all_ping(four.hosts)
    for host in four.hosts:
        found = until(host, lambda found: found["standing"] == {"alive": 3} and len(found["neighbours"]) == 3)
        assert (found["rows"], found["partition"]) == (4, "whole")
    assert fourth.stop(signal.SIGKILL) == -signal.SIGKILL
    fourth.start()
    all_ping([fourth, second])
    until(fourth, lambda found: found["standing"] == {"alive": 3})
    assert third.stop() == ExitCode.OK
    for host in (first, second, fourth):
        until(host, lambda found: found["standing"] == {"alive": 2, "left": 1} and "host-3" not in found["neighbours"])
    assert second.stop() == ExitCode.OK
    assert len(read_rows(second.kept / "mesh-home")) == 4
    assert first.stop() == ExitCode.OK
    second.start()
    reaches(second, fourth)  # it remembers where the others are, without the one that the profile names


def test_halves_that_were_cut_apart_say_so_and_join_again(four: Network) -> None:
    hosts = four.hosts
    for host in hosts:
        host.start()
    for host in hosts:
        until(host, lambda found: len(found["neighbours"]) == 3)
    left, right = hosts[:2], hosts[2:]
    for host in left:
        far = ", ".join(f"192.0.2.{other.number}" for other in right)
        host.namespace.sh("nft add table inet cut; nft 'add chain inet cut in { type filter hook input priority 0; }'")
        host.namespace.sh(f"nft 'add rule inet cut in ip saddr {{ {far} }} drop'")
        host.namespace.sh("nft 'add chain inet cut out { type filter hook output priority 0; }'")
        host.namespace.sh(f"nft 'add rule inet cut out ip daddr {{ {far} }} drop'")
    for host in hosts:
        found = until(host, lambda found: found["partition"] == "parted")
        assert found["counters"]["network-parted"] == 1
    reaches(*left)
    reaches(*right)
    for host in left:
        host.namespace.sh("nft delete table inet cut")
    all_ping(hosts)
    for host in hosts:
        found = until(host, lambda found: found["partition"] == "whole" and found["standing"] == {"alive": 3})
        assert found["counters"]["network-healed"] == 1
