"""Who is measured: our transports, suites and MTUs, and beside them the bare wire and wireguard-go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

AES: Final = "aes-256-gcm"
MTU: Final = 1400
WIRE_MTU: Final = 1500
LARGE_MTU: Final = 9000
SMALL_MTU: Final = 576
"""The least that an IPv4 host must take (RFC 791 section 3.1)."""
VETH: Final = "veth"
WIREGUARD: Final = "wireguard-go"
PYTHON: Final = "python"
"""An interpreter that does nothing, beside which memory and start are measured: it varies less than other tunnels."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to send packets between two hosts. `kind` is "ours" for the appliance's own; `qos`: with traffic classes."""

    name: str
    kind: Literal["veth", "ours", "wireguard-go"]
    scheme: str = "udp"
    suite: str = AES
    mtu: int = MTU
    monitored: bool = False
    qos: bool = False

    @property
    def wire_mtu(self) -> int:
        """The MTU of the wire below: the usual one unless large packets are wanted, for which others need a large wire."""
        return WIRE_MTU if self.mtu <= MTU else LARGE_MTU

    @property
    def references(self) -> tuple[str, ...]:
        """The names of those it is compared with: the bare wire, a bare interpreter, and wireguard-go with the same MTU. A
        monitored one is compared with the same left alone."""
        if self.monitored:
            return (self.scheme,)
        return (VETH, PYTHON, self.rival) if self.kind == "ours" else ()

    @property
    def rival(self) -> str:
        """The name of wireguard-go with the same MTU."""
        return WIREGUARD if self.mtu == MTU else f"{WIREGUARD} mtu {self.mtu}"


MAIN: Final = (
    Contender(VETH, "veth"),
    Contender(WIREGUARD, "wireguard-go"),
    Contender("udp", "ours"),
    Contender("tcp", "ours", scheme="tcp"),
)
"""Measured in everything."""
VARIANTS: Final = (
    Contender("udp chacha20-poly1305", "ours", suite="chacha20-poly1305"),
    Contender("udp hse", "ours", suite="hse"),
    *(
        contender
        for mtu in (LARGE_MTU, SMALL_MTU)
        for contender in (
            Contender(f"{WIREGUARD} mtu {mtu}", "wireguard-go", mtu=mtu),
            Contender(f"udp mtu {mtu}", "ours", mtu=mtu),
            Contender(f"tcp mtu {mtu}", "ours", scheme="tcp", mtu=mtu),
        )
    ),
)
"""Measured in throughput and what it costs."""
MONITORED: Final = tuple(
    contender
    for scheme in ("udp", "tcp")
    for contender in (Contender(scheme, "ours", scheme=scheme), Contender(f"{scheme} monitored", "ours", scheme, monitored=True))
)
"""Measured with both ends scraped each second, beside the same without an endpoint."""
SCHEDULED: Final = (
    *MAIN,
    Contender("udp qos", "ours", qos=True),
    Contender("tcp qos", "ours", scheme="tcp", qos=True),
)
"""Measured while a bulk class saturates."""
ALL: Final = {contender.name: contender for contender in (*MAIN, *VARIANTS, *MONITORED, *SCHEDULED)}
