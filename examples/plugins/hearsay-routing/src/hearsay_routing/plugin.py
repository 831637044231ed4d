"""What the appliance loads: data and callables; the rest is imported when it is used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from appliance.api.hookspecs import hookimpl
from appliance.api.management import ApiCall, ApiRoute, CliCommand, CliContext, Option
from appliance.api.peer_protocol import Limits, PeerProtocolKind, PeerProtocolServices
from appliance.api.routing import RoutingKind, RoutingServices

if TYPE_CHECKING:
    from hearsay_routing.protocol import Hearsay
    from hearsay_routing.router import Router


def _routing_settings() -> type[Any]:
    from hearsay_routing.settings import RoutingSettings

    return RoutingSettings


def _protocol_settings() -> type[Any]:
    from hearsay_routing.settings import ProtocolSettings

    return ProtocolSettings


def _router(settings: Any, services: RoutingServices) -> Router:
    from hearsay_routing.router import Router

    return Router(settings, services)


def _protocol(settings: Any, services: PeerProtocolServices) -> Hearsay:
    from hearsay_routing.protocol import Hearsay

    return Hearsay(settings, services)


async def _routes(call: ApiCall) -> Any:
    from hearsay_routing.operations import routes

    return await routes(call)


async def _changes(call: ApiCall) -> AsyncIterator[Any]:
    from hearsay_routing.operations import changes

    async for ways in changes(call):
        yield ways


def _which() -> type[Any]:
    from hearsay_routing.operations import Which

    return Which


def _ways() -> type[Any]:
    from hearsay_routing.operations import Ways

    return Ways


def _show(context: CliContext) -> int:
    from hearsay_routing.commands import routes

    return routes(context)


def _watch(context: CliContext) -> int:
    from hearsay_routing.commands import watch

    return watch(context)


ROUTING = RoutingKind("hearsay", _routing_settings, _router)
PROTOCOL = PeerProtocolKind("hearsay", _protocol_settings, _protocol, limits=Limits(messages=20, bytes=262144))
WAY = {"prefix": "192.168.7.0/24", "peer": "north", "hops": 1, "used": True}
conformance: dict[str, dict[str, Any]] = {
    "hearsay": {"kinds": ("table",)},
    "hearsay routes": {"answers": {"hearsay.routes": [WAY]}},
    "hearsay watch": {"answers": {"hearsay.changes": [[WAY], []]}, "words": ("--count", "2")},
}


@hookimpl
def appliance_routing() -> tuple[RoutingKind, ...]:
    """What a profile chooses with `routing: {kind: hearsay}`."""
    return (ROUTING,)


@hookimpl
def appliance_peer_protocols() -> tuple[PeerProtocolKind, ...]:
    """What a profile turns on with `protocols: {hearsay: {}}`."""
    return (PROTOCOL,)


@hookimpl
def appliance_api_routes() -> tuple[ApiRoute, ...]:
    """What the daemon answers."""
    return (
        ApiRoute("hearsay.routes", "node.read", _routes, "ways to prefixes that peers told of", arguments=_which, result=_ways),
        ApiRoute("hearsay.changes", "node.read", _changes, "ways that are used, after each change", result=_ways, stream=True),
    )


@hookimpl
def appliance_cli_commands() -> tuple[CliCommand, ...]:
    """What admins type."""
    peer = Option("--peer", "only what this peer told", "NAME")
    count = Option("--count", "end after so many changes", "N")
    return (
        CliCommand("hearsay routes", "show ways to prefixes that peers told of", _show, (peer,), exits="1 nothing was heard"),
        CliCommand("hearsay watch", "show the ways that are used after each change", _watch, (count,)),
    )
