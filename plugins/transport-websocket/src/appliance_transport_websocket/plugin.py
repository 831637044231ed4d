"""Registers `wss`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.hookspecs import hookimpl
from appliance.api.transport import TransportKind
from appliance_transport_websocket.place import place_of

if TYPE_CHECKING:
    from appliance.api.transport import Transport, TransportServices
    from appliance_transport_websocket.settings import WebSocketSettings


def _settings() -> type[Any]:
    from appliance_transport_websocket.settings import WebSocketSettings

    return WebSocketSettings


def _open(settings: WebSocketSettings, services: TransportServices) -> Transport:
    from appliance_transport_websocket.transport import WebSocket

    return WebSocket(settings, services)


def _judge(authority: str) -> None:
    place_of(authority)


WSS = TransportKind("wss", _settings, _open, datagram=False, driver="appliance.api.stream:Stream", authority=_judge)


@hookimpl
def appliance_transports() -> tuple[TransportKind, ...]:
    """The kind."""
    return (WSS,)
