"""Registers the server `signalling`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from appliance.api.hookspecs import hookimpl
from appliance.api.servers import Server, ServerKind, ServerServices

if TYPE_CHECKING:
    from appliance_server_signalling.settings import SignallingSettings


def _settings() -> type[SignallingSettings]:
    from appliance_server_signalling.settings import SignallingSettings

    return SignallingSettings


def _open(settings: SignallingSettings, services: ServerServices) -> AbstractAsyncContextManager[Server]:
    from appliance_server_signalling.server import opened

    return opened(settings, services)


@hookimpl
def appliance_servers() -> tuple[ServerKind, ...]:
    """One kind."""
    return (ServerKind("signalling", _settings, _open, ("appliance_server_signalling.server",)),)
