"""A plugin that misbehaves where it is told to: NASTY="how member member …" in the environment. `installed` makes it known."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from appliance.api.discovery import Candidate, DiscoveryKind, DiscoveryServices
from appliance.api.hookspecs import hookimpl
from appliance.api.management import ApiRoute, Verdict
from appliance.api.monitoring import MonitorKind
from appliance.api.peer_protocol import Answer, PeerProtocolKind
from appliance.api.routing import Route, RoutingKind, RoutingServices
from appliance.api.transport import TransportKind, TransportServices
from appliance.api.values import Endpoint

HOW, *WHERE = os.environ.get("NASTY", "not").split()


def installed(folder: Path) -> dict[str, str]:
    """Make it a plugin `nasty` of an environment in `folder`. Returns the variables that a command needs to see it."""
    (folder / "nasty.py").write_text(Path(__file__).read_text())
    known = folder / "nasty-1.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: nasty\nVersion: 1\n")
    (known / "entry_points.txt").write_text("[appliance.v1]\nnasty = nasty\n")
    return {"PYTHONPATH": str(folder)}


def be(member: str) -> None:
    """Misbehave, if it is here that it was asked for."""
    if member in WHERE:
        if HOW == "exits":
            sys.exit(3)
        if HOW == "interrupts":
            raise KeyboardInterrupt
        if HOW == "raises":
            raise RuntimeError("nasty")
        if HOW == "leaves-a-thread":
            threading.Thread(target=time.sleep, args=(1000,)).start()
        while HOW == "blocks":
            time.sleep(1000)


class Transport:
    """Does not move anything."""

    async def listen(self, at: Endpoint) -> Endpoint:
        be("listen")
        return at

    async def dial(self, to: Endpoint, timeout: float) -> int:
        be("dial")
        raise OSError("nobody is there")

    async def connect(self, local: Endpoint, to: Endpoint) -> int | None:
        return None

    async def close(self) -> None:
        be("close")


class Router:
    """Every allowed prefix."""

    def routes(self, view: Any) -> Iterator[Route]:
        be("routes")
        for peer, prefixes in view.allowed():
            for prefix in prefixes:
                yield Route(prefix, peer)


class Discoverer:
    """Finds nothing."""

    def __init__(self, settings: None, services: DiscoveryServices) -> None:
        be("discoverer")

    async def candidates(self) -> AsyncIterator[list[Candidate]]:
        yield []
        be("candidates")
        await asyncio.Event().wait()


class Talker:
    """Says nothing."""

    def __init__(self, settings: object, services: object) -> None:
        be("protocol")

    def on_connected(self, peer: str) -> None:
        be("connected")

    def on_gone(self, peer: str) -> None:
        be("gone")

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        be("message")

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        be("request")
        return None


@asynccontextmanager
async def show(settings: object, services: object) -> AsyncIterator[None]:
    be("monitor")
    own = asyncio.create_task(run())
    yield
    own.cancel()
    be("monitor-exit")


async def run() -> None:
    await asyncio.sleep(0)
    be("task")


def settings() -> type:
    from appliance.api.profile import Section

    return Section


def open_transport(settings: None, services: TransportServices) -> Transport:
    be("transport")
    return Transport()


def open_router(settings: None, services: RoutingServices) -> Router:
    be("router")
    return Router()


async def moon(call: object) -> Any:
    be("route")
    return "full"


@hookimpl
def appliance_transports() -> list[TransportKind]:
    driver = "appliance.api.stream:Stream"
    return [TransportKind("nasty", None, open_transport, datagram=False, driver=driver)]


@hookimpl
def appliance_routing() -> list[RoutingKind]:
    return [RoutingKind("nasty", None, open_router)]


@hookimpl
def appliance_discovery() -> list[DiscoveryKind]:
    return [DiscoveryKind("nasty", None, Discoverer)]


@hookimpl
def appliance_monitors() -> list[MonitorKind]:
    return [MonitorKind("nasty", settings, show)]


@hookimpl
def appliance_peer_protocols() -> list[PeerProtocolKind]:
    return [PeerProtocolKind("nasty", settings, Talker)]


@hookimpl
def appliance_api_routes() -> list[ApiRoute]:
    be("api_routes")
    return [ApiRoute("nasty.moon", "moon.read", moon)]


@hookimpl
def appliance_check_profile(profile: object, host: object) -> list[Any]:
    be("check")
    return []


@hookimpl
def appliance_plan(profile: object, observed: object) -> list[Any]:
    be("plan")
    return []


@hookimpl
def appliance_authorize(principal: object, permission: str, target: str) -> Verdict | None:
    be("authorize")
    return Verdict.DENY if "denies" in WHERE else None


@hookimpl
@asynccontextmanager
async def appliance_lifespan(node: Any) -> AsyncIterator[None]:
    be("lifespan")
    node.subscribe(lambda event: be("subscriber"))
    yield
    be("lifespan-exit")
