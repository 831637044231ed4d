"""A gRPC server on loopback, before an API whose answers are examples, and a channel to it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
from google.protobuf import message_factory

from appliance.api.profile_management import Listen, Management
from appliance.api_server.answering import Answering
from appliance.api_server.edge.edge import Edge
from appliance.api_server.edge.tls import Tls
from appliance.api_server.example_server import example_answering
from appliance.api_server.grpc.descriptors import FILE, committed, pool_of
from appliance.api_server.grpc.messages import fill
from appliance.api_server.grpc.server import GrpcServer

NAMED = (("grpc.ssl_target_name_override", "localhost"),)
"""The certificate is for that name."""
PATIENCE = 60.0
"""Seconds that a crowded machine may take for anything."""
POOL = pool_of(committed())
METHODS = {method.name: method for service in POOL.FindFileByName(FILE).services_by_name.values() for method in service.methods}


class Spoken(NamedTuple):
    """A server, its port, and a channel."""

    edge: Edge
    server: GrpcServer
    port: int
    channel: grpc.aio.Channel

    def call(self, name: str, token: str = "", /, *, seconds: float = PATIENCE, metadata: Any = (), **arguments: Any) -> Any:
        """Begin a call, as generated code would."""
        method = METHODS[name]
        make = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        begin: Any = make(
            f"/{method.containing_service.full_name}/{name}",
            request_serializer=message_factory.GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        said = (*metadata, *((("authorization", f"Bearer {token}"),) if token else ()))
        asked = fill(message_factory.GetMessageClass(method.input_type)(), arguments)
        return begin(asked, timeout=seconds, metadata=said)


@asynccontextmanager
async def spoken(
    folder: Path,
    answering: Answering | None = None,
    section: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    credentials: grpc.ChannelCredentials | None = None,
) -> AsyncGenerator[Spoken, None]:
    """`files` are those of TLS; `credentials` those of the channel, which is not encrypted without them."""

    async def tls_files() -> Mapping[str, str]:
        return files or {"certificate": "", "key": "", "clients": ""}

    async def told(_pins: Any) -> None:
        return

    edge = Edge(Management.model_validate({"limits": {"requests": 0}, **(section or {})}))
    free = edge.section.model_copy(update={"grpc": (Listen(ipaddress.IPv4Address("127.0.0.1"), 0),)})
    edge.section = free
    server = await GrpcServer.open(edge, Tls(free, folder, tls_files, told), answering or example_answering())
    target = f"127.0.0.1:{server.ports[0]}"
    channel = grpc.aio.secure_channel(target, credentials, NAMED) if credentials else grpc.aio.insecure_channel(target)
    try:
        async with asyncio.timeout(PATIENCE * 2), channel:
            yield Spoken(edge, server, server.ports[0], channel)
    finally:
        await server.close()
