"""What sessions go through: changed profiles, a blocked endpoint, a peer that moves or restarts, new keys under traffic."""

from __future__ import annotations

import signal
from ipaddress import ip_interface
from typing import Any

import pytest
from rigs.labs import QUICK, heals, kill_daemon, pair, pinging, reaches, snapshot

from appliance.lab import tools
from appliance.lab.engine import Lab
from appliance.lab.network import set_address

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

RIGHT_V4, RIGHT_V6 = "10.70.0.2", "fd00:70::2"
LEFT_V4 = "10.70.0.1"


def session_with(lab: Lab, host: str, peer: str) -> dict[str, Any]:
    return lab.host(host).sessions().get(peer, {})


async def test_sigterm_leaves_a_host_as_before() -> None:
    async with Lab(pair(), start=False) as lab:
        before = await snapshot(lab.host("left"))
        lab.start()
        await lab.wait_for_sessions()
        assert await snapshot(lab.host("left")) != before
        assert await lab.host("left").stop() == 0
        assert await snapshot(lab.host("left")) == before
        assert not list(lab.host("left").state_dir.glob("*journal*")), "nothing is left to undo"
    assert lab.left_behind == []


@pytest.mark.parametrize("way", ["apply", "hangup"])
async def test_a_changed_profile_keeps_the_session(way: str) -> None:
    async with Lab(pair()) as lab:
        left = lab.host("left")
        before = session_with(lab, "left", "right")["session"]
        text = left.profile.read_text().replace("mtu: 1400", 'mtu: 1300, routes: [{to: "10.99.0.0/24"}]')
        left.profile.write_text(text)
        async with pinging(left, RIGHT_V4, answered=True) as echoes:
            if way == "apply":
                (await left.appliance("apply", left.profile)).must_work()
            else:
                kill_daemon(left, signal.SIGHUP)
            await lab.until(lambda: (left.status() or {"interface": {}})["interface"].get("mtu") == 1300, 10)
        assert session_with(lab, "left", "right")["session"] == before
        assert echoes.answered
        assert echoes.lost == [], "traffic did not notice"
        assert "10.99.0.0/24 dev llp0" in (await left.run(["ip", "route"])).out
    assert lab.left_behind == []


async def test_the_second_endpoint_is_used_when_the_first_is_blocked() -> None:
    definition = pair(
        endpoints=("udp://right:8443", "tcp://right:8443"), listen=("udp://0.0.0.0:8443", "tcp://0.0.0.0:8443"), both=QUICK
    )
    async with Lab(definition) as lab:
        left, right = lab.host("left"), lab.host("right")
        assert session_with(lab, "left", "right")["transport"] == "udp"
        block = "table inet block { chain in { type filter hook input priority 0; udp dport 8443 drop; }; }"
        (await right.run(["nft", block])).must_work()
        await lab.until(lambda: session_with(lab, "left", "right").get("transport") == "tcp", 40)
        assert await reaches(left, RIGHT_V4)
        assert await reaches(left, RIGHT_V6)
        (await right.run(["nft", "delete table inet block"])).must_work()
    assert lab.left_behind == []


async def test_a_session_follows_a_client_whose_nat_gives_it_another_address() -> None:
    async with Lab(pair()) as lab:
        left, right = lab.host("left"), lab.host("right")
        before = session_with(lab, "right", "left")
        assert "192.168.70.1:" in before["endpoint"]
        (await left.run(["ip", "addr", "add", "192.168.70.77/24", "dev", "wan"])).must_work()
        rewrite = (
            "table ip nat { chain out { type nat hook postrouting priority 100; udp dport 8443 snat to 192.168.70.77:7777; }; }"
        )
        (await left.run(["nft", rewrite])).must_work()
        await heals(lab, left, RIGHT_V4, seconds=5)
        await lab.until(lambda: session_with(lab, "right", "left").get("endpoint") == "udp://192.168.70.77:7777", 5)
        assert session_with(lab, "right", "left")["session"] == before["session"]
        assert await reaches(right, LEFT_V4)
        (await left.run(["nft", "delete table ip nat"])).must_work()
        (await left.run(["ip", "addr", "del", "192.168.70.77/24", "dev", "wan"])).must_work()
    assert lab.left_behind == []


async def test_a_client_that_loses_its_address_comes_back_from_the_next_one() -> None:
    async with Lab(pair(both=QUICK)) as lab:
        left, right = lab.host("left"), lab.host("right")
        (await left.run(["ip", "addr", "del", "192.168.70.1/24", "dev", "wan"])).must_work()
        set_address(left.machine.ip, "wan", ip_interface("192.168.70.77/24"))
        await heals(lab, left, RIGHT_V4, seconds=10)
        await lab.until(lambda: "192.168.70.77:" in session_with(lab, "right", "left").get("endpoint", ""), 10)
        assert await reaches(right, LEFT_V4)
        (await left.run(["ip", "addr", "del", "192.168.70.77/24", "dev", "wan"])).must_work()
        set_address(left.machine.ip, "wan", ip_interface("192.168.70.1/24"))
    assert lab.left_behind == []


@pytest.mark.parametrize("name", ["left", "right"])
async def test_a_restarted_peer_is_met_again(name: str) -> None:
    async with Lab(pair(both=QUICK)) as lab:
        left = lab.host("left")
        before = session_with(lab, "left", "right")["session"]
        await lab.host(name).restart()
        await heals(lab, left, RIGHT_V4, seconds=15)
        await lab.until(lambda: session_with(lab, "left", "right").get("session", before) != before, 15)
    assert lab.left_behind == []


async def test_keys_rotate_by_bytes_under_traffic_without_loss() -> None:
    definition = pair(both={"crypto": {"rotate": {"bytes": "256KiB"}}})
    async with Lab(definition) as lab:
        left, right = lab.host("left"), lab.host("right")
        before = session_with(lab, "left", "right")
        async with pinging(left, RIGHT_V4, interval=0.005, answered=True) as echoes:
            for _ in range(3):
                (await left.run(["ping", "-f", "-c", "400", "-s", "1200", RIGHT_V6])).must_work()
        after = session_with(lab, "left", "right")
        assert after["session"] == before["session"]
        assert after["epoch"] > before["epoch"]
        assert echoes.answered
        assert echoes.lost == []
        assert not {"replayed", "bad_tag", "reassembly", "exhausted"} & set((right.status() or {}).get("drops") or {})
    assert lab.left_behind == []


async def test_a_new_exchange_under_traffic_loses_nothing() -> None:
    definition = pair(both={"crypto": {"rotate": {"after": "1s"}}})
    async with Lab(definition) as lab:
        left = lab.host("left")
        seen = {session_with(lab, "left", "right")["session"]}

        def three_sessions() -> bool:
            seen.add(session_with(lab, "left", "right").get("session", next(iter(seen))))
            return len(seen) >= 3

        async with pinging(left, RIGHT_V4, interval=0.005, answered=True) as echoes:
            await lab.until(three_sessions, 20)
        assert echoes.answered
        assert echoes.lost == []
    assert lab.left_behind == []


async def test_a_hub_passes_on_with_one_hop_less_and_peers_do_not() -> None:
    definition = pair()
    async with Lab(definition) as lab:
        left = lab.host("left")
        one_hop = await left.run(["ping", "-c1", "-W60", "-t", "1", RIGHT_V4])
        assert one_hop.code == 0, "the far end of a session is one hop away"
    assert lab.left_behind == []


async def test_a_node_without_offloads_talks_to_one_with_them() -> None:
    async with Lab(pair(left={"network": {"offload": "off"}})) as lab:
        left, right = lab.host("left"), lab.host("right")
        assert (left.status() or {})["worker"]["offloads"] == []
        assert "tso4" in (right.status() or {})["worker"]["offloads"]
        for source, target in ((left, right), (right, left)):
            sent, received = await tools.transfer(source, target, 4, str(1 << 20))
            assert sent["sha256"] == received["sha256"]
    assert lab.left_behind == []


async def test_a_path_that_loses_datagrams_gets_parity_and_loses_few_records() -> None:
    lossy = (
        "ethtool -K wan tx-udp-segmentation off gso off; nft add table inet loss; "
        "nft 'add chain inet loss in { type filter hook prerouting priority 0; }'; "
        "nft add rule inet loss in udp dport 8443 numgen random mod 100 == 0 drop"
    )
    async with Lab(pair(listen=("udp://0.0.0.0:8443",))) as lab:
        left, right = lab.host("left"), lab.host("right")
        (await right.run(["sh", "-c", lossy])).must_work()
        (await left.run(["sh", "-c", lossy])).must_work()
        while session_with(lab, "left", "right").get("parity", 0) not in {4, 8}:
            sent, received = await tools.transfer(left, right, 4, "1s")
            assert sent["sha256"] == received["sha256"]
        before = (right.status() or {})["drops"].get("reassembly", 0), session_with(lab, "right", "left")["rx_bytes"]
        await tools.transfer(left, right, 4, "2s")
        after = (right.status() or {})["drops"].get("reassembly", 0), session_with(lab, "right", "left")["rx_bytes"]
        records = (after[1] - before[1]) / 63_000
        assert after[0] - before[0] < 0.15 * records, "without parity more than a third of them would be lost"
        for host in (left, right):
            (await host.run(["nft", "delete", "table", "inet", "loss"])).must_work()
    assert lab.left_behind == []
