"""A node that comes into another network keeps its sessions, and traffic is back within seconds; on real interfaces."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from tests.rigs.labs import heals

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

PORT = 8443
SECONDS = 60.0


def lab_file() -> LabFile:
    """Left calls right, and comes about on a wire that has both kinds of addresses."""

    def host(number: int, peers: dict[str, Any]) -> dict[str, Any]:
        listen = [f"udp://0.0.0.0:{PORT}", f"udp://[::]:{PORT}"]
        profile = {"paths": {"port_mapping": False}}
        return {"addresses": [f"10.74.0.{number}/24"], "listen": listen, "peers": peers, "profile": profile}

    hosts = {
        "left": host(1, {"right": {"endpoints": [f"udp://right:{PORT}"], "keepalive": "1s"}}),
        "right": host(2, {"left": {"keepalive": "1s"}}),
    }
    wan = {"name": "wan", "hosts": list(hosts), "ipv4": "192.168.74.0/24", "ipv6": "fd74::/64"}
    return LabFile.model_validate({"lab": 1, "name": "roaming", "links": [wan], "hosts": hosts})


CHANGES = {
    "another IPv4 address": "ip address del 192.168.74.1/24 dev wan; ip address add 192.168.74.51/24 dev wan",
    "from IPv4 to IPv6": "ip address del 192.168.74.51/24 dev wan",
    "another IPv6 address": "ip address add fd74::51/64 dev wan nodad; ip address del fd74::1/64 dev wan",
    "from IPv6 to IPv4": "ip address add 192.168.74.52/24 dev wan; ip address del fd74::51/64 dev wan",
}


async def test_sessions_outlive_changes_of_address_and_of_its_kind() -> None:
    async with Lab(lab_file()) as lab:
        left, right = lab.host("left"), lab.host("right")
        sessions = left.sessions()["right"]["session"], right.sessions()["left"]["session"]
        await heals(lab, left, "10.74.0.2", seconds=SECONDS)
        for change, script in CHANGES.items():
            (await left.run(["sh", "-c", script])).must_work()
            await heals(lab, left, "10.74.0.2", seconds=SECONDS)
            assert (left.sessions()["right"]["session"], right.sessions()["left"]["session"]) == sessions, change
        assert "192.168.74.52" in right.sessions()["left"]["endpoint"]
