"""Two nodes in one process, without a host: joined over loopback, with applications at socket pairs instead of TUN devices.

python -m rigs.two_nodes SCHEME        prints what happened, as JSON
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Self

from rigs.packets import A4, A6, B4, B6, udp4, udp6

from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.plugin_host import PluginHost
from appliance.protocol.identity import Identity
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.workers.packet_device import packet_pair

PACKETS = 200
SECONDS = 60.0


class Hostless:
    """One node, the end of the pair that an application has, and the tasks of its own."""

    def __init__(
        self,
        number: int,
        identity: Identity,
        peer: Identity,
        endpoints: list[Endpoint],
        listen: list[Endpoint],
        *,
        workers: int = 1,
    ) -> None:
        other = 3 - number
        self.profile = Profile.model_validate(
            {
                "profile": 1,
                "name": f"node-{number}",
                "server": {"listen": listen},
                "network": {"addresses": [f"10.8.0.{number}/24", f"fd00:8::{number}/64"], "workers": workers},
                "peers": [
                    {
                        "name": f"node-{other}",
                        "identity": peer.fingerprint,
                        "endpoints": endpoints,
                        "allowed": [f"10.8.0.{other}/32", f"fd00:8::{other}/128"],
                    }
                ],
            }
        )
        self.devices, self.applications = zip(*(packet_pair() for _ in range(workers)), strict=True)
        for application in self.applications:
            application.settimeout(0)
        self.application = self.applications[0]
        self.node = NodeRuntime(self.profile, PluginHost.load(self.profile.plugins), identity)

    async def __aenter__(self) -> Self:
        await self.node.start(self.devices)
        return self

    async def __aexit__(self, *_error: object) -> None:
        troubles = await self.node.stop()
        for device, application in zip(self.devices, self.applications, strict=True):
            device.close()
            application.close()
        assert not troubles, troubles


async def cross(source: Hostless, target: Hostless, packets: list[bytes]) -> int:
    """Send packets from one application to the other. How many came, each whole and in order."""
    loop, came = asyncio.get_running_loop(), 0
    for packet in packets:
        await loop.sock_sendall(source.application, packet)
        came += await loop.sock_recv(target.application, 65535) == packet
    return came


async def main(scheme: str) -> dict[str, Any]:
    """Join two nodes, move packets each way, end the one by its end of file and both in order."""
    before = socket.if_nameindex()
    first, second = Identity.generate(), Identity.generate()
    async with asyncio.timeout(SECONDS):
        async with Hostless(1, first, second, [], [Endpoint(scheme, "127.0.0.1", 0)]) as a:
            (bound,) = a.node.transports.bound.values()
            async with Hostless(2, second, first, [bound], []) as b:
                there = [udp4(100 + each, each, A4, B4) for each in range(PACKETS)]
                back = [udp6(100 + each, each, B6, A6) for each in range(PACKETS)]
                moved = await cross(b, a, back) + await cross(a, b, there)
                said: dict[str, Any] = {
                    "moved": moved,
                    "sessions": [session.peer for each in (a, b) for session in each.node.figures.figures().sessions],
                    "health": [each.node.health().problems for each in (a, b)],
                    "capabilities": _capabilities(),
                    "tun": _holds("/dev/net/tun"),
                    "interfaces": socket.if_nameindex() == before,
                }
        said["children"] = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return said


def _capabilities() -> str:
    status = Path("/proc/self/status").read_text()
    return next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))


def _holds(file: str) -> bool:
    """Does this process have that file open?"""
    return any(link.is_symlink() and str(link.readlink()) == file for link in list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1]))))
