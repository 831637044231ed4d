"""The life of the API server: it asks the node for its settings, listens, and ends when the node does.

settings ─ application ─ uvicorn on the sockets that were handed over ─ "ready" ─ … ─ SIGTERM or the node's end ─ streams end
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from appliance.api.profile_management import Management
from appliance.api.profile_pressure import Pressure as PressureSection
from appliance.api_server.application import answering_of, application
from appliance.api_server.edge.edge import Edge
from appliance.api_server.edge.server import EdgeServer
from appliance.api_server.edge.tls import Tls
from appliance.api_server.gateways.calls import GatewayCalls
from appliance.api_server.gateways.gateways import Gateways
from appliance.api_server.node_link import NodeLink
from appliance.api_server.parts import Parts
from appliance.api_server.plugins.kinds import Kinds
from appliance.api_server.plugins.parts import PluginParts
from appliance.api_server.plugins.services import Joints
from appliance.api_server.server import edge_handlers
from appliance.api_server.servers.servers import Servers, settings_of_servers
from appliance.api_server.short_paths import SIGNALLING
from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger
from appliance.foundation.pressure_watch import PressureWatch
from appliance.linux.pressure import HostReader
from appliance.protocol.pressure import Limits, Pressure

log = get_logger("api")

LATE: Final = (
    "anyio._backends._asyncio",
    "appliance.profile.toml_reader",
    "appliance.profile.yaml_careful",
    "appliance.profile.yaml_reader",
    "encodings.idna",
    "encodings.utf_8_sig",
    "uvicorn.loops.auto",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)
"""What would be imported only when it is needed."""


class Doors(NamedTuple):
    """The sockets that were handed over."""

    own: Sequence[socket.socket]
    """Where HTTP is spoken."""
    servers: Mapping[str, Sequence[socket.socket]] = {}
    """Where servers of plugins listen, by their names."""


async def serve(folder: Path, control: socket.socket, doors: Doors, credentials: Mapping[str, bytes], kinds: Kinds) -> int:
    """Serve until SIGTERM, or until the node hangs up. `credentials` may have the key of what is kept, `kinds` are those of the
    loaded plugins. Returns the exit code."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    node = NodeLink(control)
    node.ended = stop.set
    alive = asyncio.get_running_loop().create_task(node.say_alive(), name="alive")
    try:
        await _live(folder, node, doors, credentials, kinds, stop)
    except (ApplianceError, OSError) as error:
        reason = error.message if isinstance(error, ApplianceError) else str(error)
        log.error("the API server ends", reason=reason, hint=getattr(error, "hint", ""))  # noqa: TRY400  nobody's bug
        await node.say_why(reason)
        return 1
    finally:
        alive.cancel()
        node.close()
    return 0


async def _live(
    folder: Path,
    node: NodeLink,
    doors: Doors,
    credentials: Mapping[str, bytes],
    kinds: Kinds,
    stop: asyncio.Event,
) -> None:
    """Put the parts together, and answer. Raises ApplianceError, OSError when something is missing."""
    async with AsyncExitStack() as ending:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        settings = await node.settings()
        management = Management.model_validate(settings.management)
        pressure = Pressure(Limits.of(PressureSection.model_validate(settings.pressure)))
        node.short = pressure.shown
        watch = PressureWatch(pressure, HostReader(folder).read)
        ending.callback(watch.stop)
        watch.start()
        of_servers = settings_of_servers(kinds, management)
        edge = Edge(management, pressure=pressure, beside=sum(each.connections for each in of_servers.values()))
        plugins = PluginParts(kinds, management, Joints(settings.name, settings.identity, node, folder / "plugins", {}))
        ending.push_async_callback(plugins.close)
        node.figures = plugins.figures
        parts = await Parts.open(folder, settings, node, credentials, plugins)
        ending.push_async_callback(parts.close)
        trouble = {"store": parts.trouble}
        node.trouble = lambda: {part: told() for part, told in trouble.items()}
        parts.signalling = partial(plugins.state, "servers", SIGNALLING)
        parts.refused, parts.short = edge.figures.refused, pressure.shown
        edge.named, edge.recorder = parts.named, parts.recorder
        listens = [at for each in of_servers.values() for at in each.listen]
        tls = Tls(edge.section, folder, node.tls_files, lambda pins: node.tell_certificate(pins._asdict()), listens)
        answering = answering_of(
            settings, parts, edge_handlers(edge, tls, parts.asking.shown, None if parts.tracing is None else parts.tracing.shown)
        )
        gateways = Gateways(GatewayCalls(answering))
        plugins.run("gateways", gateways.use, gateways.services)
        ending.push_async_callback(plugins.end_tasks)
        server = EdgeServer(application(settings, parts, answering, gateways), edge, tls.context)
        servers = Servers(of_servers, doors.servers, management.names, tls.context, node, edge.shedding.of_strangers)
        if any(map(tls.is_secure, [*doors.own, *servers.listeners])) or any(
            tls.is_secure_at(each.address) for each in management.grpc
        ):
            ending.callback(asyncio.get_running_loop().create_task(tls.watch(), name="certificate").cancel)
        plugins.run("servers", servers.use, servers.services)
        ends: list[Callable[[], Awaitable[None]]] = [partial(plugins.end, "servers")]
        if management.grpc:
            from appliance.api_server.grpc.server import GrpcServer  # 18 MB

            beside = await GrpcServer.open(edge, tls, answering)
            ending.push_async_callback(beside.close)
            ends.append(beside.close)
            trouble["grpc"] = beside.trouble
        await _answer(server, doors.own, node, stop, parts.end_streams, ends)


async def _answer(
    server: EdgeServer,
    listeners: Sequence[socket.socket],
    node: NodeLink,
    stop: asyncio.Event,
    end_streams: Callable[[], Awaitable[None]],
    ends: Sequence[Callable[[], Awaitable[None]]],
) -> None:
    """Answer until `stop`; then streams are ended, and what else is under way has its seconds, here and at those of `ends`."""
    serving = asyncio.get_running_loop().create_task(server.serve(list(listeners)), name="serve")
    for event in (stop, server.up):
        serving.add_done_callback(lambda _serving, event=event: event.set())  # type: ignore[misc]  # mypy does not see its type
    await server.up.wait()
    await node.ready()
    await stop.wait()
    server.should_exit = True
    await end_streams()
    await asyncio.gather(serving, *(end() for end in ends))
