"""Endpoints that would carry the tunnel's packets into the tunnel: said, not used, and used again once they are outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.netns.daemons import Host

pytestmark = pytest.mark.netns


def warnings(host: Host) -> list[dict[str, str]]:
    found: list[dict[str, str]] = host.status()["warnings"]
    return found


def carried(host: Host) -> int:
    """Packets of the session, the fewer of those that came and went."""
    return min((min(one["rx_packets"], one["tx_packets"]) for one in host.status()["sessions"]), default=0)


def test_a_name_that_resolves_into_the_tunnel_is_said_and_not_used(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    first, second = hosts
    names = tmp_path / "hosts"
    names.write_text("10.9.0.5 office.example\n")
    # a hosts file of its own: the names of this machine are not to be touched
    second.entering += ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(names)]
    second.write(first, endpoints='"udp://office.example:8443"', peering="", plugins="discovery-bootstrap")
    text = second.profile.read_text()
    second.profile.write_text(text.replace("allowed: [", "allowed: [10.9.0.0/16, "))
    first.start()

    planned = second.command("plan", str(second.profile)).stdout
    assert "udp://office.example:8443 is 10.9.0.5 now" in planned
    assert "10.9.0.0/16 over llp0" in planned
    second.start()
    while not warnings(second):
        pass
    [told] = warnings(second)
    assert told["code"] == "endpoint-inside-overlay"
    for part in ("peer other", "udp://office.example:8443", "10.9.0.5", "10.9.0.0/16"):
        assert part in told["finding"]
    assert "10.9.0.5 is routed into the tunnel" in second.command("status").stdout
    found = json.loads(second.command("doctor", str(second.profile), "--json").stdout)["findings"]
    assert {"endpoint-inside-overlay"} <= {one["code"] for one in found}
    assert not {"path-mtu-small", "udp-offload-refused"} & {one["code"] for one in found}
    assert not second.status()["handshakes"].get("initiated", 0)

    names.write_text("192.0.2.1 office.example\n")
    second.hear("session ready")
    assert second.pings("10.8.0.1")
    assert min(carried(first), carried(second)) >= 1
    assert not warnings(second)


def test_a_peer_that_comes_from_inside_its_own_prefixes_is_not_followed_there(hosts: tuple[Host, Host]) -> None:
    """Answers to it would go into the tunnel that they make: one packet would go round for ever."""
    first, second = hosts
    first.profile.write_text(first.profile.read_text().replace("allowed: [", "allowed: [172.16.5.0/24, "))
    first.start()
    second.start()
    assert second.pings("10.8.0.1")

    second.namespace.sh(
        "nft add table ip moved; nft 'add chain ip moved out { type filter hook postrouting priority 0; }';"
        "nft add rule ip moved out oifname wire udp dport 8443 ip saddr set 172.16.5.2"
    )
    assert second.pings("10.8.0.1")
    while not first.status()["handshakes"].get("loop"):
        assert second.pings("10.8.0.1")
    [session] = first.status()["sessions"]
    assert session["endpoint"].startswith("udp://192.0.2.2:")
    before = carried(first), carried(second)
    assert first.pings("10.8.0.2")
    assert second.pings("10.8.0.1")
    after = carried(first), carried(second)
    assert all(less < more for less, more in zip(before, after, strict=True))
    received: dict[str, Any] = json.loads(first.namespace.sh("ip -j -s link show llp0"))[0]["stats64"]
    assert received["tx"]["packets"] < 1000, "nothing goes round"
