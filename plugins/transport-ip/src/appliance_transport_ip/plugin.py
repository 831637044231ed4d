"""Registers UDP and TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.api.hookspecs import hookimpl
from appliance.api.transport import TransportKind

if TYPE_CHECKING:
    from appliance.api.transport import Transport, TransportServices


def _udp(_settings: None, services: TransportServices) -> Transport:
    from appliance_transport_ip.udp import Udp

    return Udp(services)


def _tcp(_settings: None, services: TransportServices) -> Transport:
    from appliance_transport_ip.tcp import Tcp

    return Tcp(services)


UDP = TransportKind("udp", None, _udp, datagram=True, driver="appliance_transport_ip.datagram:Datagrams")
TCP = TransportKind("tcp", None, _tcp, datagram=False, driver="appliance.api.stream:Stream")


@hookimpl
def appliance_transports() -> tuple[TransportKind, ...]:
    """Both kinds."""
    return UDP, TCP
