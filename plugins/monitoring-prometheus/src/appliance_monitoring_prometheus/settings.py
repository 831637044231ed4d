"""What a profile may say below `monitoring.prometheus` and `monitoring.health`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, NamedTuple

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from appliance.api.profile import Section


class Listen(NamedTuple):
    """An address and a port."""

    host: str
    port: int
    """0 lets the system choose."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _listen(value: object) -> Listen:
    if isinstance(value, Listen):
        return value
    if not isinstance(value, str):
        raise ValueError("an address to listen at is written as text in quotes")  # noqa: TRY004  pydantic takes ValueError
    host, colon, port = value.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        colon = ""
        address = ipaddress.ip_address(0)
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(f"{value!r} is no address to listen at: write address:port, for example 127.0.0.1:9464 or [::1]:9464")
    return Listen(str(address), int(port))


Address = Annotated[
    Listen,
    PlainValidator(_listen),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:9464", "[::1]:9464"]}),
]


class PrometheusSettings(Section):
    """Metrics for Prometheus."""

    listen: Address = Field(
        default="127.0.0.1:9464",
        validate_default=True,
        description="Where /metrics is served. There is no password: keep it to addresses that only your Prometheus reaches.",
    )


class HealthSettings(Section):
    """Health pages for orchestrators and load balancers."""

    listen: Address = Field(
        default="127.0.0.1:9465",
        validate_default=True,
        description="Where /health (it lives), /ready (it works) and /api/health (in detail) are served.",
    )
