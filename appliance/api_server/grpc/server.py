"""gRPC as the API server speaks it: a service for each tag of the table, health and reflection.

Imported only where the profile has `management.grpc`: the library has 18 MB.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, Self

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from appliance.api.profile_management import Listen
from appliance.api_server.answering import Answering
from appliance.api_server.arguments import MOST_BODY
from appliance.api_server.edge.acceptor import Acceptor
from appliance.api_server.edge.edge import Edge
from appliance.api_server.edge.tls import Tls
from appliance.api_server.grpc.calls import Calls, endpoints
from appliance.api_server.grpc.descriptors import FILE, committed, pool_of
from appliance.api_server.grpc.door import BACKLOG, INSIDE, Senders, door
from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger
from appliance.management.descriptions.proto import call_name
from appliance.management.operations.table import ROWS

log = get_logger("api")

END_SECONDS: Final = 3.0
"""How long calls that are under way may take at the end."""
OPTIONS: Final = (
    ("grpc.max_receive_message_length", MOST_BODY),
    ("grpc.max_concurrent_streams", 128),
    ("grpc.max_metadata_size", 16 << 10),
    ("grpc.absolute_max_metadata_size", 32 << 10),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),  # nobody else takes a part of the callers
)
"""gRPC core, grpc_types.h."""


def prepare() -> None:
    """Read what may not be readable later."""
    committed()


class GrpcServer:
    """Made by `open`, ended by `close`."""

    def __init__(self, edge: Edge, answering: Answering) -> None:
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=edge.section.limits.connections)
        self._late: set[asyncio.Task[None]] = set()
        self._health = health.aio.HealthServicer()
        self.ports: list[int] = []
        self._edge = edge
        self._doors: list[Acceptor] = []
        self._behind: list[tuple[socket.socket, int]] = []
        """Where connections come in, and at which port of loopback the library answers them."""
        self._senders: Senders = {}
        self._unheard: list[str] = []
        """Addresses that could not be had, with the reason."""
        pool = pool_of(committed())
        app = edge.guard(endpoints(answering))
        rows = {call_name(row.name): row for row in ROWS}
        services = pool.FindFileByName(FILE).services_by_name.values()
        for service in services:
            handlers = {}
            for method in service.methods:
                answer = message_factory.GetMessageClass(method.output_type)
                calls = Calls(
                    rows[method.name], app, answer, lambda context: edge.who(_certificate(context)), self._sender, self._late
                )
                handlers[method.name] = _handler(method, calls, answer)
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
        self._names = [service.full_name for service in services]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        _add_reflection(self._server, pool, self._names)

    @classmethod
    async def open(cls, edge: Edge, tls: Tls, answering: Answering) -> Self:
        """Answer at the addresses of the profile. One that cannot be had is logged: HTTP answers without it."""
        made = cls(edge, answering)
        for each in edge.section.grpc:
            try:
                await made._listen(each, tls)
            except (ApplianceError, OSError, RuntimeError, ValueError) as error:
                made._unheard.append(f"it is not spoken at {each}: {error}")
                log.error("gRPC is not spoken there", address=str(each), reason=str(error))  # noqa: TRY400  nobody's bug
        await made._server.start()
        for listener, inside in made._behind:
            made._doors.append(door(edge, listener, inside, made._senders))
        for name in made._names:
            await made._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return made

    def trouble(self) -> str:
        """Where it is not spoken, and why; "" if it is everywhere."""
        return "; ".join(self._unheard)

    async def close(self) -> None:
        """End in order: nothing new, and what is under way has its seconds. Safe to call twice."""
        while self._doors:
            self._doors.pop().close()
        while self._behind:
            self._behind.pop()[0].close()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(END_SECONDS)
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _listen(self, at: Listen, tls: Tls) -> None:
        """Have the address, and the library behind it. Raises OSError, ApplianceError, RuntimeError, ValueError."""
        family = socket.AF_INET6 if at.address.version == 6 else socket.AF_INET
        listener = socket.create_server((str(at.address), at.port), family=family, backlog=BACKLOG)
        try:
            if not tls.is_secure_at(at.address):
                inside = self._server.add_insecure_port(f"{INSIDE}:0")
            else:
                if tls.in_use is None:
                    await tls.look()
                credentials = _credentials(tls, mutual=self._edge.section.tls.clients is not None)
                inside = self._server.add_secure_port(f"{INSIDE}:0", credentials)
        except BaseException:
            listener.close()
            raise
        self._behind.append((listener, int(inside)))
        self.ports.append(listener.getsockname()[1])

    def _sender(self, peer: str) -> str:
        """Whose connection the library means by "ipv4:127.0.0.1:4711" (gRPC, "Name Resolution")."""
        host, _, port = peer.partition(":")[2].rpartition(":")
        return self._senders.get(int(port), host) if port.isdigit() else host


def _credentials(tls: Tls, *, mutual: bool) -> grpc.ServerCredentials:
    """GRPC asks with each connection, in a thread of its own, so another certificate is in use without a restart. Raises
    ValueError if clients have to have certificates and nobody's are known."""
    told = tls.in_use

    def made() -> Any:
        assert told is not None
        certificate, key, clients = told
        return grpc.ssl_server_certificate_configuration([(key, certificate)], clients.encode() or None)

    def newer() -> Any:
        nonlocal told
        if tls.in_use == told:
            return None
        told = tls.in_use
        return made()

    if mutual and told is not None and not told[2]:
        raise ValueError("management.tls.clients has no certificate")
    return grpc.dynamic_ssl_server_credentials(made(), newer, require_client_authentication=mutual)


def _handler(method: Any, calls: Calls, answer: Callable[..., Any]) -> Any:
    read = message_factory.GetMessageClass(method.input_type).FromString
    make, act = (
        (grpc.unary_stream_rpc_method_handler, calls.stream)
        if method.server_streaming
        else (grpc.unary_unary_rpc_method_handler, calls.unary)
    )
    return make(act, request_deserializer=read, response_serializer=answer.SerializeToString)  # type: ignore[attr-defined]


def _certificate(context: Any) -> bytes:
    """The one that the other end proved to have, PEM; b"" if it has none."""
    found = context.auth_context().get("x509_pem_cert", [b""])
    return bytes(found[0])


def _add_reflection(server: Any, pool: descriptor_pool.DescriptorPool, names: list[str]) -> None:
    known = descriptor_pool.Default()
    for module in (health, reflection):
        name = module.SERVICE_NAME
        pool.AddSerializedFile(known.FindServiceByName(name).file.serialized_pb)
        names = [*names, name]
    reflection.enable_server_reflection(names, server, pool)
