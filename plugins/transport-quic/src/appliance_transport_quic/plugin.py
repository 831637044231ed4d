"""Registers `quic`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.hookspecs import hookimpl
from appliance.api.transport import TransportKind

if TYPE_CHECKING:
    from appliance.api.transport import Transport, TransportServices
    from appliance_transport_quic.settings import QuicSettings


def _settings() -> type[Any]:
    from appliance_transport_quic.settings import QuicSettings

    return QuicSettings


def _open(settings: QuicSettings, services: TransportServices) -> Transport:
    from appliance_transport_quic.transport import Quic

    return Quic(settings, services)


QUIC = TransportKind("quic", _settings, _open, datagram=True, driver="appliance_transport_quic.driver:Trains")


@hookimpl
def appliance_transports() -> tuple[TransportKind, ...]:
    """The kind."""
    return (QUIC,)
