"""A lab whose hosts are members of a network: founded on one of them, and joined by real invitations, as an admin types it."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any, Final

from appliance.lab.host import Host
from appliance.lab.machines.machine import LabFailure
from appliance.lab.profiles import as_yaml

READY_SECONDS: Final = 60.0
"""How long a node may take from its start until it answers. It takes one second."""
LOOK_EVERY: Final = 0.05


class Membership:
    """The network of a lab."""

    def __init__(self, label: str, founder: Host) -> None:
        self.label = label
        self.founder = founder

    async def found(self) -> None:
        """Make the network, and start its first node. Raises ApplianceError."""
        made = await _said(self.founder, "network", "new", self.label, "--name", self.founder.name, *_files(self.founder))
        self._take(self.founder, made["certificate"])
        await asyncio.to_thread(self.founder.start)
        await _ready(self.founder)

    async def join(self, host: Host) -> None:
        """Invite a host, let it join, and start its node. Raises ApplianceError."""
        code = (await _said(self.founder, "network", "invite", host.name))["code"]
        self._take(host, await _said(host, "join", code, *_files(host)))
        await asyncio.to_thread(host.start)

    async def revoke(self, host: Host) -> None:
        """Remove a member. Raises ApplianceError."""
        await _said(self.founder, "network", "revoke", host.name)

    async def introduce(self, host: Host, other: Host) -> None:
        """Have the profile of a running host name another one by identity alone. Raises ApplianceError."""
        peer = {
            "name": other.name,
            "identity": other.identity,
            "allowed": [f"{address.ip}/{address.max_prefixlen}" for address in other.addresses],
        }
        host.add_to_profile(as_yaml({"peers": [peer]}))
        (await host.appliance("apply", host.profile)).must_work()

    def _take(self, host: Host, told: dict[str, Any]) -> None:
        """What the host is now, and what the file wants of its profile besides."""
        host.identity = told["identity"]
        host.addresses = tuple(map(ipaddress.ip_interface, told["addresses"]))
        host.overlay_name = f"{host.name}.{self.label}"
        if host.entry.profile:
            host.add_to_profile(as_yaml(host.entry.profile))


def _files(host: Host) -> tuple[str, ...]:
    return "--profile", str(host.profile), "--identity", str(host.identity_file)


async def _said(host: Host, *words: str) -> dict[str, Any]:
    """What a command prints as JSON. Raises LabFailure if it fails."""
    done = (await host.appliance(*words, "--json")).must_work()
    document: dict[str, Any] = json.loads(done.out)
    return document


async def _ready(host: Host) -> None:
    try:
        async with asyncio.timeout(host.machine.slowness * READY_SECONDS):
            while not (host.status() or {}).get("ready"):  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        raise LabFailure(f"the node on {host.name} is not ready after {READY_SECONDS:g} s:\n{host.log_tail()}") from None
