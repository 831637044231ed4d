"""Networks that this host is in, and other people's firewalls."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

LAPTOP = """profile: 1
name: laptop
server: {{identity: file:1.key, listen: ["udp://0.0.0.0:8443"]}}
network: {{addresses: [10.8.0.1/24], local: {local}}}
host: {{drift: {drift}}}
plugins: [transport-ip, crypto-standard, routing-static]
peers:
  - {{name: office, identity: {identity}, allowed: [10.8.0.2/32, 10.50.0.0/25]}}
"""


@pytest.fixture
def cafe() -> Iterator[tuple[Throwaway, Throwaway]]:
    """A laptop, and a host in the network that it will enter."""
    with Throwaway() as laptop, Throwaway() as other:
        laptop.sh(f"ip link add wlan type veth peer name lan netns {other.name}")
        other.sh("ip addr add 10.50.0.7/24 dev lan; ip link set lan up")
        yield laptop, other


def codes(host: Host) -> list[str]:
    return [one["code"] for one in host.status()["warnings"]]


@pytest.mark.parametrize(("local", "drift"), [("tunnel", "report"), ("keep", "repair")])
def test_a_network_that_is_entered_under_way(local: str, drift: str, cafe: tuple[Throwaway, Throwaway], tmp_path: Path) -> None:
    laptop, other = cafe
    host = Host(laptop, tmp_path, 1)
    host.profile.write_text(LAPTOP.format(local=local, drift=drift, identity=host.identity.fingerprint[:-5] + "aaaaa"))
    try:
        host.start()
        assert codes(host) == []
        laptop.sh("ip link set wlan up; ip addr add 10.50.0.5/24 dev wlan")
        if local == "keep":
            assert "1 received" in laptop.sh("ping -c 1 -w 10 10.50.0.7", check=False)
            assert "1 received" in other.sh("ping -c 1 -w 10 10.50.0.5", check=False)
            assert codes(host) == []
        else:
            while codes(host) != ["local-network-swallowed"]:
                pass
            [told] = host.status()["warnings"]
            for part in ("10.50.0.0/24", "wlan", "10.50.0.0/25", "peer office"):
                assert part in told["finding"]
            [way] = json.loads(laptop.sh("ip -j route get 10.50.0.7"))
            assert way["dev"] == "llp0"
            assert "10.50.0.0/25 of peer office" in host.command("plan", str(host.profile)).stdout
            assert "local-network-swallowed" in host.command("doctor", str(host.profile)).stdout
            laptop.sh("ip addr del 10.50.0.5/24 dev wlan")
            while codes(host):
                pass
    finally:
        if host.process is not None:
            assert host.stop() == 0


def test_a_foreign_firewall_is_named_and_the_rule_that_is_offered_lets_us_in(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.namespace.sh(
        "nft add table inet site; nft 'add chain inet site incoming { type filter hook input priority 5; policy drop; }';"
        "nft add rule inet site incoming ct state established,related accept; nft add rule inet site incoming iif lo accept"
    )
    planned = first.command("plan", str(first.profile)).stdout
    assert (
        "chain incoming (table inet site, hook input, priority 5, policy drop) stops what comes to udp://0.0.0.0:8443" in planned
    )
    answer = first.command("doctor", str(first.profile), "--json")
    todos = [one["todo"] for one in json.loads(answer.stdout)["findings"] if one["code"] == "firewall-in-the-way"]
    assert len(todos) == 2  # UDP and TCP
    first.start()
    second.start()
    assert not first.status()["sessions"]
    assert not second.status()["sessions"]

    for todo in todos:
        first.namespace.sh(todo.rpartition(": ")[2])
    first.hear("session ready")
    assert first.pings("10.8.0.2")  # the host's answers pass, since the connection is ours
    assert min(one["rx_packets"] for host in hosts for one in host.status()["sessions"]) >= 1
    assert "firewall-in-the-way" not in first.command("doctor", str(first.profile)).stdout
    assert "site" not in first.command("plan", str(first.profile)).stdout


def test_a_forwarding_host_hears_of_a_chain_that_forwards_nothing(namespace: Throwaway, tmp_path: Path) -> None:
    host = Host(namespace, tmp_path, 1)
    host.profile.write_text(
        "profile: 1\nserver: {identity: file:1.key}\nnetwork: {addresses: [10.8.0.1/24], masquerade: [10.8.0.0/24]}\n"
    )
    namespace.sh(
        "nft add table ip filter; nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }';"
        "nft add chain ip filter DOCKER-USER; nft add rule ip filter FORWARD jump DOCKER-USER;"
        "nft add rule ip filter DOCKER-USER return"
    )
    told = "chain FORWARD (table ip filter, hook forward, priority 0, policy drop) stops IPv4 that is forwarded from llp0"
    assert told in host.command("plan", str(host.profile)).stdout
    namespace.sh("nft insert rule ip filter DOCKER-USER mark 7 accept")
    assert told.replace("stops", "may stop") in host.command("plan", str(host.profile)).stdout
    subprocess.run(
        ["nsenter", f"--net=/run/netns/{namespace.name}", "nft", "insert rule ip filter DOCKER-USER iifname llp0 accept"],
        check=True,
    )
    assert "chain FORWARD" not in host.command("plan", str(host.profile)).stdout


def test_a_firewall_that_comes_while_the_node_runs_is_told_of_until_it_lets_us_in(hosts: tuple[Host, Host]) -> None:
    host = hosts[0]
    host.start()
    assert codes(host) == []
    host.namespace.sh(
        "nft add table inet site; nft 'add chain inet site incoming { type filter hook input priority 5; policy drop; }';"
        "nft add rule inet site incoming iif lo accept"
    )
    host.hear("a firewall of this host is in the way")
    assert set(codes(host)) == {"firewall-in-the-way"}
    assert host.status()["state"] == "running", "it is the admin's firewall"
    host.namespace.sh("nft add rule inet site incoming meta l4proto { tcp, udp } th dport 8443 accept")
    host.hear("no firewall of this host is in the way any more")
    assert codes(host) == []
