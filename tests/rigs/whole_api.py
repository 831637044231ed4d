"""The API server with all its parts, in a thread at a port of loopback; only the node behind it makes its answers up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.api.profile_management import Management
from appliance.api_server import example_server
from appliance.api_server.application import answering_of, application
from appliance.api_server.caller import LOCAL
from appliance.api_server.edge.edge import Edge
from appliance.api_server.edge.server import EdgeServer
from appliance.api_server.edge.tls import Tls
from appliance.api_server.gateways.calls import GatewayCalls
from appliance.api_server.gateways.gateways import Gateways
from appliance.api_server.node_link import Settings
from appliance.api_server.parts import Parts
from appliance.api_server.plugins.kinds import Kinds
from appliance.api_server.plugins.parts import PluginParts
from appliance.api_server.plugins.services import Joints
from appliance.api_server.server import edge_handlers
from appliance.management.descriptions.examples import example
from appliance.management.descriptions.models import models
from appliance.management.operations.row import AnsweredBy
from appliance.management.operations.table import ROWS

TOKEN = "root"
"""Stands for the kernel's word that root of this host asks."""
PASSWORD = "correct horse battery"
MANAGEMENT: Mapping[str, Any] = {"limits": {"requests": 0, "per_address": 1024}, "tracing": {}}


class Node:
    """Answers every operation by an example, and tells nothing by itself."""

    def __init__(self, secrets: Mapping[str, str] = {}) -> None:
        self._secrets = secrets
        self._known = models(ROWS)
        self._rows = {row.name: row for row in ROWS if row.answered_by is AnsweredBy.NODE}

    async def ask(self, op: str, _arguments: Mapping[str, Any], _whose: object, _seconds: float) -> Any:
        """An example."""
        row = self._rows.get(op)
        if row is None:
            return {}
        answer = example(self._known.of(row.result), self._known.schemas)
        return answer["items"] if row.listed_by else answer

    async def secret(self, reference: str) -> bytes:
        """What is in a file."""
        return self._secrets[reference].encode()

    async def tell_part(self, _key: str, _name: str, _problem: str) -> None:
        """Heard by nobody."""

    async def follow(self, _op: str, _arguments: Mapping[str, Any], _whose: object) -> AsyncGenerator[Any, None]:
        """Nothing, for ever."""
        await asyncio.Event().wait()
        yield {}

    async def tracing_headers(self) -> Mapping[str, str]:
        """None."""
        return {}

    async def tell_tracing(self, _figures: Mapping[str, Any]) -> None:
        """It does not want to know."""


@contextmanager
def whole_api(
    folder: Path,
    section: Mapping[str, Any] = {},
    identity: str = "0" * 64,
    kinds: Kinds | None = None,
    secrets: Mapping[str, str] = {},
) -> Iterator[str]:
    """Where it is: http://127.0.0.1:PORT. `folder` is for what it keeps; `section` has keys of the profile's section, `kinds` are
    those of the plugins that it names, `secrets` the texts of files."""
    management = Management.model_validate({**MANAGEMENT, **section})
    listener = example_server.listening("127.0.0.1", 0)
    ready = Event()
    ending: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        ending.append((asyncio.get_running_loop(), stop))
        settings, node, edge = (
            Settings("mock", identity, "1.0", management.model_dump(mode="json")),
            Node(secrets),
            Edge(management),
        )
        joints = Joints(settings.name, settings.identity, node, folder / "plugins", {})  # type: ignore[arg-type]  # as below
        plugins = PluginParts(kinds or {}, management, joints)
        parts = await Parts.open(folder, settings, node, {}, plugins)  # type: ignore[arg-type]  # as much of a NodeLink as is used
        edge.recorder = parts.recorder
        try:
            tls = Tls(management, folder, _no_files, _told)
            shown = None if parts.tracing is None else parts.tracing.shown
            answering = answering_of(settings, parts, edge_handlers(edge, tls, parts.asking.shown, shown))
            gateways = Gateways(GatewayCalls(answering))
            plugins.run("gateways", gateways.use, gateways.services)
            app = _by_token(application(settings, parts, answering, gateways))
            server = EdgeServer(app, edge, lambda _listener: None)
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve([listener]))
                await server.up.wait()
                ready.set()
                await stop.wait()
                server.should_exit = True
                await parts.end_streams()
        finally:
            await plugins.end_tasks()
            await parts.close()

    thread = Thread(target=lambda: asyncio.run(serve()), name="whole-api")
    thread.start()
    try:
        assert ready.wait(60)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop, stop = ending[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        listener.close()


def first_user(base: str) -> str:
    """Alice, an admin, who is the first user: her access token."""
    with httpx.Client(base_url=f"{base}/api/v1", timeout=60) as client:
        code = client.post("/user-invitations/first", headers={"authorization": f"Bearer {TOKEN}"}).json()["code"]
        assert client.post("/auth/register", json={"code": code, "name": "alice", "password": PASSWORD}).is_success
        tokens = client.post("/auth/login", json={"name": "alice", "password": PASSWORD}).json()
    return str(tokens["access_token"])


async def _no_files() -> Mapping[str, str]:
    return {"certificate": "", "key": "", "clients": ""}


async def _told(_pins: object) -> None:
    return


def _by_token(app: ASGIApp) -> ASGIApp:
    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"authorization", f"Bearer {TOKEN}".encode()) in scope["headers"]:
            others = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
            scope = {**scope, "headers": others, "client": (LOCAL, 0)}
        await app(scope, receive, send)

    return called
