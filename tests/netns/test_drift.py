"""The host changes under a running node: it notices, says what is missing, and brings back what is its own."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

SOON = 60.0
"""Seconds on a loaded machine for what takes two on an idle one."""
ROUTED = "routes: [{to: 10.20.0.0/16}], rules: [{fwmark: 7, table: 1000, priority: 100}], masquerade: [10.8.0.0/24], "
ROUTED += "sysctls: {net.ipv4.conf.llp0.rp_filter: 2}"


@pytest.fixture
def node(namespace: Throwaway, tmp_path: Path) -> Any:
    """A daemon with a bit of everything on its host; whoever changes the host is not its friend."""
    host = Host(namespace, tmp_path, 1)
    host.write(Host(namespace, tmp_path, 2), listen="udp://127.0.0.1:8443", network=ROUTED)
    yield host
    if host.process is not None:
        host.stop()


def until(true: Callable[[], Any], what: str) -> Any:
    """Look again at each change of the clock until it is so."""
    end = time.monotonic() + SOON
    while not (found := true()):
        assert time.monotonic() < end, (what, found)
        select.select([], [], [], 0.05)
    return found


TAKEN_AWAY = {
    "nftables": "nft flush ruleset",
    "the rule": "ip rule del priority 100",
    "the MTU": "ip link set llp0 mtu 1300",
    "forwarding": "sysctl -qw net.ipv4.ip_forward=0",
    "a setting": "sysctl -qw net.ipv4.conf.llp0.rp_filter=0",
    "an address, and the route with it": "ip addr del 10.8.0.1/24 dev llp0",
}
LOST = {
    "deleted": "ip link del llp0",
    "renamed": "ip link set llp0 down; ip link set llp0 name other; ip link set other up",
    "elsewhere": "ip link set llp0 netns {elsewhere}",
    "down and up": "ip link set llp0 down; ip link set llp0 up",
    "emptied": "ip addr flush dev llp0; ip route flush proto 76; ip -6 route flush proto 76",
}


def test_what_is_taken_away_comes_back_and_is_undone_at_the_end(node: Host) -> None:
    before = node.namespace.snapshot()
    node.start()
    node.namespace.sh("until ip -6 route show table local | grep -q 'ff00.*llp0'; do :; done")  # the carrier is there
    as_wanted = node.namespace.snapshot()
    for times, (name, damage) in enumerate(TAKEN_AWAY.items(), 1):
        node.namespace.sh(damage)
        node.hear("brought back what was missing on the host", times)
        until_same(node.namespace, as_wanted, name)
    status = node.status()
    assert status["state"] == "running"
    assert status["host"] == {"drift": "repair", "missing": [], "repaired": len(TAKEN_AWAY) + 1}
    assert node.logged("brought back what was missing on the host")[0]["changed_by"].startswith("nft (pid ")
    assert node.stop() == 0
    assert node.namespace.snapshot() == before


def until_same(namespace: Throwaway, wanted: dict[str, Any], what: str) -> None:
    """But for the number of the interface, and the addresses the kernel makes itself."""
    end = time.monotonic() + SOON
    while found := {noun: _differing(now, wanted[noun]) for noun, now in namespace.snapshot().items()}:
        if not any(found.values()):
            return
        assert time.monotonic() < end, (what, {noun: lines for noun, lines in found.items() if lines})
        select.select([], [], [], 0.05)


def _differing(now: list[Any], wanted: list[Any]) -> list[str]:
    return sorted({_plain(entry) for entry in now} ^ {_plain(entry) for entry in wanted})


def _plain(entry: Any) -> str:
    text = re.sub(r"fe80::[0-9a-f:]+", "fe80::", repr(entry))
    return re.sub(r"'(ifindex|valid_life_time)': \d+", "", text)


def test_only_reported_where_the_profile_says_so(node: Host) -> None:
    node.profile.write_text(node.profile.read_text() + "host: {drift: report}\n")
    node.start()
    node.namespace.sh("ip route del 10.20.0.0/16; ip link set llp0 mtu 1300")
    answer = until(lambda: (found := node.status())["state"] == "degraded" and found, "noticed")
    assert "10.20.0.0/16" in answer["problems"]["host"]
    assert any("10.20.0.0/16" in line for line in answer["host"]["missing"])
    assert answer["interface"]["mtu"] == 1300
    assert answer["interface"]["differs"] == {"mtu": 1400}
    assert "(profile: mtu 1400)" in node.command("status").stdout
    node.namespace.sh("ip route add 10.20.0.0/16 dev llp0 proto 76; ip link set llp0 mtu 1400")
    until(lambda: node.status()["state"] == "running", "all is well again")
    assert node.logged("brought back what was missing on the host") == []


@pytest.mark.parametrize(
    ("damage", "workers"), [*((damage, 1) for damage in LOST), ("deleted", 2), ("renamed", 2), ("elsewhere", 2)]
)
def test_sessions_live_through_the_loss_of_the_device(hosts: tuple[Host, Host], damage: str, workers: int) -> None:
    first, second = hosts
    first.write(second, network=f"workers: {workers}, routes: [{{to: 10.20.0.0/16}}]")
    before = first.namespace.snapshot()
    first.start()
    second.start()
    assert second.pings("10.8.0.1")
    session = first.status()["sessions"][0]["session"]
    with Throwaway() as elsewhere:
        first.namespace.sh(LOST[damage].format(elsewhere=elsewhere.name))
        first.hear("brought back what was missing on the host")
        assert second.pings("10.8.0.1")
        assert first.pings("10.8.0.2")
        until(lambda: "llp0" not in elsewhere.sh("ip link"), "nothing is left elsewhere")
    status = until(lambda: (found := first.status())["state"] == "running" and found, "all is well")
    assert status["worker"]["restarts"] == 0
    assert status["sessions"][0]["session"] == session
    assert first.stop() == 0
    assert first.namespace.snapshot() == before


def test_a_worker_without_a_device_rests(node: Host) -> None:
    node.profile.write_text(node.profile.read_text() + "host: {drift: report}\n")
    node.start()
    [pid] = node.status()["worker"]["pids"]
    node.namespace.sh("ip link del llp0")
    node.hear("the TUN device cannot be read")
    used = cpu_ticks(pid)
    until(lambda: node.status()["problems"].get("host"), "noticed")
    assert node.status()["interface"]["there"] is False
    select.select([], [], [], 1.0)
    assert cpu_ticks(pid) - used < 0.2 * os.sysconf("SC_CLK_TCK")
    assert node.command("apply", str(node.profile)).returncode == 0
    assert node.namespace.sh("ip -br link show llp0").split()[0] == "llp0"
    assert "LOWER_UP" in node.namespace.sh("ip link show llp0"), "a worker is attached"


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
