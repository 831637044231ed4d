"""Registers UDP and TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.api.hookspecs import hookimpl
from appliance.api.transport import TransportKind

if TYPE_CHECKING:
    from appliance.api.transport import Transport, TransportServices


def _udp(services: TransportServices) -> Transport:
    from appliance_transport_ip.udp import open_udp

    return open_udp(services)


def _tcp(services: TransportServices) -> Transport:
    from appliance_transport_ip.tcp import open_tcp

    return open_tcp(services)


UDP = TransportKind("udp", datagram=True, driver="appliance_transport_ip.datagram:Datagrams", open=_udp)
TCP = TransportKind("tcp", datagram=False, driver="appliance_transport_ip.stream:Stream", open=_tcp)


@hookimpl
def appliance_transports() -> tuple[TransportKind, ...]:
    """Both kinds."""
    return UDP, TCP
