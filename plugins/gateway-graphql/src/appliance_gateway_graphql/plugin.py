"""Registers the gateway `graphql`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from appliance.api.gateways import Gateway, GatewayKind, GatewayServices
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from appliance_gateway_graphql.settings import GraphqlSettings


def _settings() -> type[GraphqlSettings]:
    from appliance_gateway_graphql.settings import GraphqlSettings

    return GraphqlSettings


def _open(settings: GraphqlSettings, services: GatewayServices) -> AbstractAsyncContextManager[Gateway]:
    from appliance_gateway_graphql.gateway import opened

    return opened(settings, services)


@hookimpl
def appliance_gateways() -> tuple[GatewayKind, ...]:
    """One kind."""
    return (GatewayKind("graphql", _settings, _open, ("graphql",)),)
