"""Whole nodes in one process, without a host, that reach each other over relays only: joined over loopback, with applications at
socket pairs instead of TUN devices."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

from rigs.packets import udp4

from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.foundation.tasks import beside
from appliance.plugin_host import PluginHost
from appliance.protocol.identity import Identity
from appliance.protocol.session import Session, SessionState
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.workers.packet_device import packet_pair

SECONDS = 100.0
"""Until something must have happened; a busy machine takes its time."""


class Party:
    """One node, by a letter, and the end of the pair that its application has."""

    def __init__(
        self,
        name: str,
        known: Mapping[str, Identity],
        endpoints: Mapping[str, Sequence[str]],
        *,
        listen: bool = False,
        relay: dict[str, Any] | None = None,
        workers: int = 1,
    ) -> None:
        self.name = name
        self.identity = known[name]
        self.inside = f"10.8.0.{ord(name)}"
        self.profile = Profile.model_validate(
            {
                "profile": 1,
                "name": f"node-{name}",
                "server": {"listen": [Endpoint("udp", "127.0.0.1", 0)] if listen else []},
                "network": {"addresses": [f"{self.inside}/24"], "workers": workers},
                "relay": relay,
                "peers": [
                    {
                        "name": other,
                        "identity": known[other].fingerprint,
                        "endpoints": list(written),
                        "allowed": [f"10.8.0.{ord(other)}/32"],
                    }
                    for other, written in endpoints.items()
                ],
            }
        )
        self.devices, self.applications = zip(*(packet_pair() for _ in range(workers)), strict=True)
        for application in self.applications:
            application.settimeout(0)
        self.node = NodeRuntime(self.profile, PluginHost.load(self.profile.plugins), self.identity)

    async def __aenter__(self) -> Self:
        await self.node.start(self.devices)
        return self

    async def __aexit__(self, *_error: object) -> None:
        troubles = await self.node.stop()
        for each in (*self.devices, *self.applications):
            each.close()
        assert not troubles, troubles

    @property
    def address(self) -> str:
        """Where it listens."""
        (bound,) = self.node.transports.bound.values()
        return str(bound)

    def session(self, peer: str) -> Session | None:
        """The one that carries traffic to `peer`."""
        driver = self.node.driver.node
        found = driver.peers[peer].session
        session = driver.sessions.get(found) if found is not None else None
        return session if session is not None and session.state is SessionState.ACTIVE else None

    def way_to(self, peer: str) -> str:
        """The scheme of the endpoint that the session with `peer` goes to; "" for none."""
        session = self.session(peer)
        return "" if session is None or session.endpoint is None else session.endpoint.scheme

    async def reads(self, packet: bytes) -> None:
        """Its application reads that, perhaps behind others, from whichever worker has the session."""
        await beside([self._reads(application, packet) for application in self.applications])

    async def _reads(self, application: socket.socket, packet: bytes) -> None:
        loop = asyncio.get_running_loop()
        while await loop.sock_recv(application, 65535) != packet:
            pass


async def delivers(source: Party, target: Party, size: int = 100) -> None:
    """A packet arrives. Sent again until it does, since datagrams may be lost."""
    loop = asyncio.get_running_loop()
    packet = udp4(size, 1, source.inside, target.inside)
    while True:
        await loop.sock_sendall(source.applications[0], packet)
        try:
            async with asyncio.timeout(0.3):
                await target.reads(packet)
        except TimeoutError:
            continue
        return


async def cross(one: Party, other: Party) -> None:
    """Packets arrive both ways."""
    await delivers(one, other)
    await delivers(other, one)


def relay_of(identity: Identity) -> str:
    """The endpoint over that relay."""
    return f"relay://{identity.fingerprint}"


@asynccontextmanager
async def around_a_relay(
    serve: dict[str, Any] | None = None, *, at: Sequence[str] = ("R",), workers: int = 1, both_call: bool = False
) -> AsyncIterator[tuple[Party, Party, Party]]:
    """A and B, who know no address of each other's, and the relay R, which both call: (A, R, B)."""
    known = {name: Identity.generate() for name in "ARB"}
    async with AsyncExitStack() as stack:
        r = await stack.enter_async_context(
            Party("R", known, {"A": [], "B": []}, listen=True, relay={"serve": True} | (serve or {}), workers=workers)
        )
        over = relay_of(known["R"])
        b = await stack.enter_async_context(
            Party("B", known, {"R": [r.address], "A": [over] if both_call else []}, relay={"at": list(at)}, workers=workers)
        )
        a = await stack.enter_async_context(
            Party("A", known, {"R": [r.address], "B": [over]}, relay={"at": ["R"]} if both_call else None, workers=workers)
        )
        yield a, r, b


@asynccontextmanager
async def around_a_chain(length: int) -> AsyncIterator[list[Party]]:
    """A, so many relays and B: A reaches each relay over the one before, and B over the last: (A, 1, 2, …, B)."""
    names = [str(number) for number in range(1, length + 1)]
    known = {name: Identity.generate() for name in ("A", *names, "B")}
    async with AsyncExitStack() as stack:
        parties: list[Party] = []
        for before, name, after in zip([None, *names], names, [*names[1:], "B"], strict=False):
            near = {} if before is None else {before: [parties[-1].address]}
            wants = {"serve": True, "at": [] if before is None else [before]}
            party = Party(name, known, {"A": [], after: []} | near, listen=True, relay=wants)
            parties.append(await stack.enter_async_context(party))
        b = Party("B", known, {names[-1]: [parties[-1].address], "A": []}, relay={"at": [names[-1]]})
        parties.append(await stack.enter_async_context(b))
        ways = [[parties[0].address], *([relay_of(known[name])] for name in names)]
        a = Party("A", known, dict(zip([*names, "B"], ways, strict=True)))
        parties.insert(0, await stack.enter_async_context(a))
        yield parties
