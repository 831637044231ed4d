"""Which commands an admin is told, for the firewalls that Debian's programs set up."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.planning.firewall_tools import opening

PORT: dict[str, Any] = {"protocol": "udp", "dport": 8443}
OVERLAY: dict[str, Any] = {"iifname": "llp0"}
PLAIN = {"family": "ip", "table": "filter", "name": "INPUT"}
FORWARD = PLAIN | {"name": "FORWARD"}


@pytest.mark.parametrize(
    ("base", "targets", "facts", "commands"),
    [
        (PLAIN, ["ufw-before-input"], PORT, ["ufw allow 8443/udp"]),
        (PLAIN | {"family": "ip6"}, ["ufw6-before-input"], PORT, ["ufw allow 8443/udp"]),
        (FORWARD, ["DOCKER-USER", "ufw-before-forward"], OVERLAY, ["ufw route allow in on llp0", "ufw route allow out on llp0"]),
        (
            {"family": "inet", "table": "firewalld", "name": "filter_INPUT"},
            ["filter_INPUT_ZONES"],
            PORT,
            ["firewall-cmd --permanent --add-port=8443/udp", "firewall-cmd --reload"],
        ),
        (
            {"family": "inet", "table": "firewalld", "name": "filter_FORWARD"},
            [],
            OVERLAY,
            ["firewall-cmd --permanent --zone=trusted --add-interface=llp0", "firewall-cmd --reload"],
        ),
        (
            FORWARD,
            ["DOCKER-USER", "DOCKER-ISOLATION-STAGE-1"],
            OVERLAY,
            ["iptables -I DOCKER-USER -i llp0 -j ACCEPT", "iptables -I DOCKER-USER -o llp0 -j ACCEPT"],
        ),
        (PLAIN | {"tool": "iptables-legacy"}, [], PORT, ["iptables-legacy -I INPUT -p udp --dport 8443 -j ACCEPT"]),
        (PLAIN, ["DOCKER-USER"], PORT, ["nft insert rule ip filter INPUT udp dport 8443 accept"]),
        (
            FORWARD,
            [],
            OVERLAY,
            [f'nft insert rule ip filter FORWARD {way}ifname "llp0" accept' for way in "io"],
        ),
    ],
)
def test_the_commands_are_those_of_the_program_that_set_it_up(
    base: dict[str, Any], targets: list[str], facts: dict[str, Any], commands: list[str]
) -> None:
    assert opening(base, targets, facts, forwarded="iifname" in facts) == commands
