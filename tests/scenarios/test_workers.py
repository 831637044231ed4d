"""A hub with two workers: what its peers notice of that, which is nothing, and what becomes of a worker that dies."""

from __future__ import annotations

import json
import os
import re
import signal
from itertools import permutations

import pytest
from rigs.hubs import HUB_V4, HUB_V6, hub, v4, v6
from rigs.labs import Echoes, bound, heals, kill_daemon, pinging, reaches

from appliance.lab import tools
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.runtime.workers.keeper import DEGRADED_AFTER

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

FLOWS = 8
WINDOW = 4
"""Datagrams of each flow that may be on the way."""
REORDERINGS = ("TcpExtTCPSACKReorder", "TcpExtTCPRenoReorder", "TcpExtTCPTSReorder")


def workers_of(lab: Lab) -> dict[str, int]:
    """Which worker of the hub has each spoke's socket, by process number."""
    pids = (lab.host("hub").status() or {})["worker"]["pids"]
    listed = lab.host("hub").namespace.enter(["ss", "-tuanpH", "state", "connected"])
    found = {}
    for line in os.popen(" ".join(listed)).read().splitlines():
        peer = re.search(r"192\.168\.71\.1:8443\s+192\.168\.71\.(\d+):", line)
        for pid in re.findall(r"pid=(\d+)", line):
            if peer and int(pid) in pids:
                found[f"spoke{int(peer[1]) - 1}"] = int(pid)
    return found


async def spread(lab: Lab) -> dict[str, int]:
    """The same, as soon as each spoke has a socket of its own; and they are in different workers."""
    await lab.until(lambda: len(workers_of(lab)) == 2, 10)
    found = workers_of(lab)
    assert len(set(found.values())) == 2, found
    return found


def session_of(lab: Lab, spoke: str) -> str:
    return str(lab.host("hub").sessions().get(spoke, {}).get("session", ""))


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
async def test_traffic_crosses_it_in_all_directions(scheme: str) -> None:
    async with Lab(hub(scheme=scheme)) as lab:
        await spread(lab)
        for source, target in permutations(lab.hosts.values(), 2):
            for version in (4, 6):
                sent, received = await tools.transfer(source, target, version, str(1 << 20))
                assert sent["sha256"] == received["sha256"]
                flows_stay_in_order(source, target, version)
        assert "unknown_session" not in (lab.host("hub").status() or {})["drops"]
    assert lab.left_behind == []


def flows_stay_in_order(source: Host, target: Host, version: int) -> None:
    """Send flows that nobody answers, so that the kernel never learns whose they are: some go to the wrong worker."""
    address = tools.address_of(target, version)
    with target.namespace.call(bound, address) as receiver:
        senders = [source.namespace.call(bound, tools.address_of(source, version)) for _ in range(FLOWS)]
        receiver.settimeout(60)
        came: dict[int, list[int]] = {}
        for first in range(0, 40 * WINDOW, WINDOW):
            for number in range(first, first + WINDOW):
                for sender in senders:
                    sender.sendto(number.to_bytes(2, "big").ljust(900), receiver.getsockname()[:2])
            for _ in range(WINDOW * FLOWS):
                data, origin = receiver.recvfrom(2000)
                came.setdefault(origin[1], []).append(int.from_bytes(data[:2], "big"))
        for sender in senders:
            assert came[sender.getsockname()[1]] == list(range(40 * WINDOW))
            sender.close()


async def test_a_tcp_flow_between_two_workers_is_not_reordered() -> None:
    async with Lab(hub()) as lab:
        await spread(lab)
        one, other = lab.host("spoke1"), lab.host("spoke2")
        await tools.transfer(one, other, 4, str(1 << 20))
        before = await reorderings(one)
        await tools.transfer(one, other, 4, str(8 << 20))
        assert await reorderings(one) == before
    assert lab.left_behind == []


def assert_kept(echoes: Echoes) -> None:
    assert echoes.answered
    assert echoes.lost == []


async def reorderings(host: Host) -> int:
    said = (await host.run(["nstat", "-asz", *REORDERINGS])).must_work().out
    return sum(int(line.split()[1]) for line in said.splitlines()[1:])


@pytest.mark.parametrize("which", ["first", "second"])
async def test_a_worker_that_dies_takes_only_its_own_sessions_along(which: str) -> None:
    async with Lab(hub()) as lab:
        owners = await spread(lab)
        node = lab.host("hub")
        pids = (node.status() or {})["worker"]["pids"]
        victim, survivor = pids if which == "first" else reversed(pids)
        lost, kept = sorted(owners, key=lambda spoke: owners[spoke] != victim)
        before = {spoke: session_of(lab, spoke) for spoke in owners}
        # Answered: a flow of which the kernel has seen nothing yet may begin in the queue of the worker that dies.
        async with (
            pinging(lab.host(kept), HUB_V4, answered=True) as echoes,
            pinging(node, v6(int(kept[-1])), answered=True) as answers,
        ):
            os.kill(victim, signal.SIGKILL)
            await lab.until(lambda: session_of(lab, lost) not in {"", before[lost]}, 10)
            await heals(lab, lab.host(lost), HUB_V6, seconds=5)
        assert session_of(lab, kept) == before[kept]
        assert_kept(echoes)
        assert_kept(answers)
        worker = (node.status() or {})["worker"]
        assert worker["restarts"] == 1
        assert set(worker["pids"]) > {survivor}
        assert len(worker["pids"]) == 2
        assert (node.status() or {})["state"] == "running"
        await spread(lab)
        for source, target in permutations(lab.hosts.values(), 2):
            flows_stay_in_order(source, target, 4)
    assert lab.left_behind == []


async def test_one_that_dies_again_and_again_leaves_the_others_alone() -> None:
    async with Lab(hub()) as lab:
        owners = await spread(lab)
        node = lab.host("hub")
        kept = next(spoke for spoke, pid in owners.items() if pid == (node.status() or {})["worker"]["pids"][1])
        before = session_of(lab, kept)
        for deaths in range(1, DEGRADED_AFTER + 1):
            os.kill((node.status() or {})["worker"]["pids"][0], signal.SIGKILL)
            await lab.until(lambda deaths=deaths: (node.status() or {})["worker"]["restarts"] == deaths, 10)
        assert (node.status() or {})["problems"]["worker"] == "it died several times within a minute"
        assert session_of(lab, kept) == before
        await lab.until(lambda: len(node.sessions()) == 2, 10)
        for source, target in permutations(lab.hosts.values(), 2):
            await heals(lab, source, tools.address_of(target, 6), seconds=5)
            flows_stay_in_order(source, target, 6)
    assert lab.left_behind == []


@pytest.mark.parametrize("number", [1, 2])
async def test_a_roaming_peer_keeps_its_session_whichever_worker_has_it(number: int) -> None:
    async with Lab(hub()) as lab:
        before_owners = await spread(lab)
        name = f"spoke{number}"
        spoke, node = lab.host(name), lab.host("hub")
        before = session_of(lab, name)
        (await spoke.run(["ip", "addr", "add", "192.168.71.77/24", "dev", "wan"])).must_work()
        rewrite = (
            "table ip nat { chain out { type nat hook postrouting priority 100; udp dport 8443 snat to 192.168.71.77:7777; }; }"
        )
        (await spoke.run(["nft", rewrite])).must_work()
        await heals(lab, spoke, HUB_V4, seconds=5)
        await lab.until(lambda: node.sessions()[name].get("endpoint") == "udp://192.168.71.77:7777", 5)
        assert session_of(lab, name) == before
        assert await reaches(node, v4(number))
        assert await reaches(lab.host(f"spoke{3 - number}"), v6(number))
        sent, received = await tools.transfer(node, spoke, 4, str(1 << 20))
        assert sent["sha256"] == received["sha256"]
        listed = (await node.run(["ss", "-uanpH"])).out
        [home] = [line for line in listed.splitlines() if "192.168.71.77:7777" in line]
        assert f"pid={before_owners[name]}," in home, "its new socket is where its session is"
        (await spoke.run(["nft", "delete table ip nat"])).must_work()
        (await spoke.run(["ip", "addr", "del", "192.168.71.77/24", "dev", "wan"])).must_work()
    assert lab.left_behind == []


async def test_a_changed_number_of_workers_is_taken_by_the_running_node() -> None:
    async with Lab(hub(workers=1)) as lab:
        node = lab.host("hub")
        one = node.profile.read_text()
        for text, number in ((one.replace('"workers": 1', '"workers": 2').replace("workers: 1", "workers: 2"), 2), (one, 1)):
            node.profile.write_text(text)
            (await node.appliance("apply", node.profile)).must_work()
            assert len((node.status() or {})["worker"]["pids"]) == number
            again = (await node.appliance("plan", node.profile)).must_work()
            assert "TUN device" not in again.out
            for spoke in (1, 2):
                await heals(lab, node, v4(spoke), seconds=10)
                assert await reaches(lab.host(f"spoke{spoke}"), v6(3 - spoke))
    assert lab.left_behind == []


async def test_both_workers_of_a_killed_daemon_forward_on_and_are_ended_by_the_next() -> None:
    async with Lab(hub()) as lab:
        await spread(lab)
        node = lab.host("hub")
        pids = (node.status() or {})["worker"]["pids"]
        async with pinging(lab.host("spoke1"), v4(2), answered=True) as echoes:
            kill_daemon(node)
            assert await reaches(lab.host("spoke2"), HUB_V6)
        assert_kept(echoes)
        await node.restart()
        await lab.until(lambda: bool((node.status() or {}).get("ready")), 15)
        await heals(lab, lab.host("spoke1"), v4(2), seconds=15)
        said = [line for line in node.log.read_text().splitlines() if "ended the worker of a daemon that was killed" in line]
        assert sorted(json.loads(line)["pid"] for line in said) == sorted(pids)
    assert lab.left_behind == []
