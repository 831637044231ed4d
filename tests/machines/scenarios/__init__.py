"""All scenarios, by the machines that they happen to."""

from __future__ import annotations

from typing import Final

from tests.machines.scenario import Plan
from tests.machines.scenarios import (
    by_ssh,
    clocks,
    cloud_init,
    confirming,
    firewalls,
    life,
    members,
    neighbours,
    offload,
    package,
    power,
    rival,
)

PLANS: Final = (
    Plan("bookworm", scenarios=(*life.ALL, *offload.ALL, *rival.ALL, *confirming.ALL, *clocks.ALL, *power.ALL, life.node_stops)),
    Plan(
        "neighbours",
        extras=("ufw", "firewalld", "docker.io", "busybox-static", "network-manager", "systemd-resolved", "libnss-resolve"),
        scenarios=(*neighbours.ALL, *firewalls.ALL, neighbours.apparmor),
    ),
    Plan(
        "trixie",
        suite="trixie",
        extras=("systemd-resolved", "libnss-resolve"),
        scenarios=(
            *(life.machines, life.sandbox, *offload.ALL, *rival.ALL),
            *(neighbours.networkd, neighbours.resolved, life.boots, life.node_stops),
        ),
    ),
    Plan("package", scenarios=package.ALL),
    Plan("ssh", scenarios=by_ssh.ALL, start=False),
    Plan("cloud-init", extras=("cloud-init",), scenarios=(*members.ALL, *cloud_init.ALL), start=False),
    Plan("cloud-init-13", suite="trixie", extras=("cloud-init",), scenarios=cloud_init.ALL, start=False, asked_for=True),
    Plan(
        "arm64",
        suite="trixie",
        arch="arm64",
        scenarios=(life.machines, life.sandbox, life.boots, life.node_stops),
        asked_for=True,
    ),
)
"""In the order in which `make rigs` goes through them."""
