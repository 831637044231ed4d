"""Two members in one process, without a host and without root: found by a name, proved by certificates, joined by packets."""

from __future__ import annotations

import asyncio
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from rigs.packets import udp4

from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.members.network import NetworkKey
from appliance.members.scope import Grants
from appliance.members.signing import sign_certificate, sign_revocation
from appliance.plugin_host import PluginHost
from appliance.protocol.identity import Identity
from appliance.runtime.members.network_folder import NetworkFolder
from appliance.runtime.members.own_certificate import completed
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.workers.packet_device import packet_pair

SECONDS = 60.0
HOUR = 3600
OWNER = Identity.from_seeds(bytes(32), bytes(32))
NETWORK = NetworkKey(OWNER.public.encoded)


class Member:
    """One node, and the end of the pair that an application has."""

    def __init__(self, number: int) -> None:
        self.identity, self.label, now = Identity.generate(), f"net-{number}", int(time.time())
        grants = Grants(addresses=(ip_address(f"10.86.0.{number}"),))
        certificate = sign_certificate(
            *(OWNER, NETWORK, self.identity.public),
            name=f"node-{number}",
            serial=number,
            not_before=now - HOUR,
            not_after=now + HOUR,
            grants=grants,
        )
        folder = NetworkFolder.of(self.label)
        folder.make()
        folder.keep_network(NETWORK)
        folder.keep_statements([certificate.encoded])
        self.device, self.application = packet_pair()
        self.application.settimeout(0)

    def profile(self, first: Member | None = None) -> Profile:
        bootstrap = []
        if first is not None:
            (bound,) = first.node.transports.bound.values()
            bootstrap = [{"identity": first.identity.fingerprint, "endpoints": [f"udp://localhost:{bound.port}"]}]
        written = Profile.model_validate(
            {
                "profile": 1,
                "server": {"listen": [Endpoint("udp", "127.0.0.1", 0)]},
                "network": {"workers": 1},
                "mesh": {"network": NETWORK.fingerprint, "label": self.label, "bootstrap": bootstrap},
            }
        )
        return completed(written, lambda: self.identity.fingerprint, int(time.time())).profile

    async def start(self, first: Member | None = None) -> None:
        profile = self.profile(first)
        self.node = NodeRuntime(profile, PluginHost.load(profile.plugins), self.identity)
        await self.node.start([self.device])

    async def stop(self) -> None:
        assert not await self.node.stop()
        self.device.close()
        self.application.close()


async def test_two_members_find_each_other_by_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    loop = asyncio.get_running_loop()
    one, other = Member(1), Member(2)
    async with asyncio.timeout(SECONDS):
        await one.start()
        await other.start(one)
        try:
            packet = udp4(100, source="10.86.0.2", destination="10.86.0.1")
            came = loop.create_task(loop.sock_recv(one.application, 65535))
            while not came.done():
                await loop.sock_sendall(other.application, packet)
                await asyncio.wait({came}, timeout=0.1)
            assert came.result() == packet
            assert one.node.mesh is not None
            assert other.node.mesh is not None
            revocation = sign_revocation(OWNER, NETWORK, {other.identity.fingerprint: 0}, serial=9, at=int(time.time()))
            one.node.mesh.mesh.take(revocation.encoded)
            assert [entry.name for entry in one.node.peers.table] == []
            removed = asyncio.Event()
            other.node.mesh.mesh.changed.append(removed.set)
            if not other.node.health().problems.get("mesh"):
                await removed.wait()
            assert "was removed" in other.node.health().problems["mesh"]
        finally:
            await other.stop()
            await one.stop()
