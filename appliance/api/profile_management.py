"""The section `management` of a profile: how the node is managed over HTTP, and by whom."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from appliance.api.profile_section import Section
from appliance.api.profile_values import KindSettings, Name, Prefix
from appliance.api.values import is_this_host

API_PORT: Final = 8470
"""Chosen: registered for nobody at IANA, and below the ephemeral ports of Linux."""


class Listen(NamedTuple):
    """An address and a port of this host."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Read ADDRESS:PORT. Raises ValueError with a sentence for the admin."""
        host, colon, port = text.rpartition(":")
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
            if not colon or (address.version == 6) != host.startswith("["):
                raise ValueError
            number = int(port) if port.isascii() and port.isdigit() else 0
            if not 1 <= number <= 65535:
                raise ValueError
        except ValueError:
            raise ValueError(
                f"{text[:60]!r} is no address with a port: write 127.0.0.1:{API_PORT}, or [::1]:{API_PORT}"
            ) from None
        return cls(address, number)


def _listen(value: object) -> Listen:
    if isinstance(value, Listen):
        return value
    if not isinstance(value, str):
        raise ValueError("an address with a port is written as text")  # noqa: TRY004  a problem
    return Listen.parse(value)


ListenText = Annotated[
    Listen,
    PlainValidator(_listen),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "$comment": "address:port", "examples": ["127.0.0.1:8470", "[::1]:8470"]}),
]
Permission = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$", max_length=100)]

HostText = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=253)]
FileText = Annotated[str, Field(pattern=r"^/", max_length=4096)]
OriginText = Annotated[
    str, Field(pattern=r"^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[0-9]{1,5})?$", max_length=300)
]


def _collector(text: str) -> str:
    """An address of a collector as it is written. Raises ValueError with a sentence for the admin."""
    try:
        parts = urlsplit(text)
        well = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and text.isascii() and text.isprintable()
    except ValueError:
        well, parts = False, urlsplit("")
    if not well:
        raise ValueError("an address of a collector is http://HOST:PORT or https://HOST:PORT")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("no user, password or query in an address of a collector: write tokens into the file that headers names")
    return text


def _is_private(collector: str) -> bool:
    """Can nobody on the network read what is sent there?"""
    parts = urlsplit(collector)
    return parts.scheme == "https" or is_this_host(parts.hostname or "")


CollectorText = Annotated[str, Field(max_length=500), AfterValidator(_collector)]


class ManagementLimits(Section):
    """How much the API server takes of the network. What is beyond is refused, and counted by reason in GET /api/v1/server."""

    connections: int = Field(default=1024, ge=1, le=16384, description="Connections in all; those at the Unix socket are apart.")
    per_address: int = Field(default=64, ge=1, le=16384, description="Connections of one address, or of one /64 of IPv6.")
    requests: int = Field(
        default=50, ge=0, le=100_000, description="Requests a second of one address or /64, and of one user. 0: as many as come."
    )
    burst: int = Field(default=100, ge=1, le=100_000, description="As many may come at once, after a pause.")
    at_once: int = Field(default=128, ge=1, le=16384, description="Requests and streams of one user under way at the same time.")


class ManagementTls(Section):
    """TLS of the API server. Loopback addresses and the Unix socket speak HTTP, every other address TLS and nothing else."""

    plain: bool = Field(default=False, description="Speak HTTP at other addresses too: tokens cross the network in clear.")
    loopback: bool = Field(default=False, description="Speak TLS at loopback addresses too.")
    certificate: FileText | None = Field(
        default=None,
        description="Chain of certificates, PEM. Absent: the API server makes its own. A file that is replaced is in use within "
        "a minute.",
    )
    key: FileText | None = Field(default=None, description="Its key, PEM without a password, readable by root alone.")
    clients: FileText | None = Field(
        default=None,
        description="Authorities, or certificates of clients themselves, PEM. Where TLS is spoken, nobody gets in without one.",
    )
    users: Mapping[Annotated[str, Field(min_length=1, max_length=100)], Name] = Field(
        default={},
        max_length=256,
        description="Users of the API server by their certificates: the fingerprint (sha256: and hexadecimal digits) or the "
        "common name. Others of `clients` need a token.",
        examples=[{"alice.example.net": "alice"}],
    )
    tls12: bool = Field(default=False, description="Take TLS 1.2 too, for old clients.")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: name both, or neither")
        return self


class ManagementTracing(Section):
    """Traces of what the node is asked, and of streams between nodes. See docs/tracing.md. Absent: there are none."""

    sample: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="The share of traces that is recorded, of those that begin here. Whoever began another has decided that.",
    )
    otlp: CollectorText | None = Field(
        default=None,
        description="A collector that takes OTLP over HTTP, as http://HOST:4318 or https://…; /v1/traces is put behind it. It "
        "needs the extra `otel`. Absent: traces are kept here for a while, and sent nowhere.",
        examples=["http://127.0.0.1:4318"],
    )
    headers: FileText | None = Field(
        default=None,
        description="Header fields for the collector, as its token: lines NAME: VALUE in a file that only root can read.",
        examples=["/etc/appliance/collector-headers"],
    )
    authorities: FileText | None = Field(
        default=None,
        description="Authorities that may vouch for the collector, PEM, in a file that everybody can read. Absent: those of this "
        "host.",
    )

    @model_validator(mode="after")
    def _sends_secrets_over_tls_only(self) -> Self:
        others = [name for name in ("headers", "authorities") if getattr(self, name) is not None]
        if self.otlp is None and others:
            raise ValueError(f"{others[0]}: there is no collector: name it in otlp")
        if self.headers is not None and self.otlp is not None and not _is_private(self.otlp):
            raise ValueError("headers: the network could read them: otlp begins with https://, or its host is a loopback address")
        return self


class Management(Section):
    """The API server: a process without privileges, started by the node. See docs/management.md. Absent: there is none."""

    listen: tuple[ListenText, ...] = Field(
        default=(Listen(ipaddress.IPv4Address("127.0.0.1"), API_PORT),),
        max_length=16,
        description="Addresses of this host where it listens for HTTP. Empty: only the Unix socket of this host.",
        examples=[["127.0.0.1:8470", "[::1]:8470"]],
    )
    grpc: tuple[ListenText, ...] = Field(
        default=(),
        max_length=16,
        description="Addresses where it listens for gRPC, at ports from 1024 on. Empty: nowhere. See docs/grpc.md.",
        examples=[["127.0.0.1:8472"]],
    )
    roles: Mapping[Name, tuple[Permission, ...]] = Field(
        default={},
        max_length=64,
        description="Roles beside viewer, operator and admin, each with the permissions that it brings.",
        examples=[{"inviter": ["node.read", "enrolment.invite"]}],
    )
    stolen_passwords: str | None = Field(
        default=None,
        pattern="^/",
        max_length=4096,
        description="A file of passwords that became known, which nobody may use: SHA-1 digests in order, as haveibeenpwned.com "
        "gives them. The API server's user has to be able to read it.",
        examples=["/var/lib/pwned-passwords-sha1-ordered-by-hash.txt"],
    )
    names: tuple[HostText, ...] = Field(
        default=(),
        max_length=64,
        description="Names of this host that may stand in a request's address. At loopback addresses no others do but localhost; "
        "at others any do while there are none here. They also stand in the certificate.",
        examples=[["node1.example.net"]],
    )
    cors: tuple[OriginText, ...] = Field(
        default=(),
        max_length=64,
        description="Origins of web pages elsewhere that may ask with a token of their user. Empty: none.",
        examples=[["https://dashboard.example.net"]],
    )
    proxy: tuple[Prefix, ...] = Field(
        default=(),
        max_length=64,
        description="Reverse proxies whose word (Forwarded, X-Forwarded-For) counts about who sent a request. See "
        "docs/reverse-proxies.md.",
        examples=[["127.0.0.1/32"]],
    )
    store: Mapping[Name, KindSettings] = Field(
        default={},
        max_length=1,
        description="Where users, tokens, jobs and reviews are kept: one store of an enabled plugin, by its name. Empty: in a "
        "file of this host.",
    )
    cache: Mapping[Name, KindSettings] = Field(
        default={},
        max_length=1,
        description="Where answers are kept for moments: one cache of an enabled plugin, by its name. Empty: in memory.",
    )
    exports: Mapping[Name, KindSettings] = Field(
        default={}, max_length=16, description="Event exports of enabled plugins, by their names: where events go, too."
    )
    logins: Mapping[Name, KindSettings] = Field(
        default={}, max_length=16, description="Log-ins of enabled plugins, by their names: who else knows users."
    )
    gateways: Mapping[Name, KindSettings] = Field(
        default={}, max_length=16, description="Gateways of enabled plugins, by their names: further ways to ask."
    )
    servers: Mapping[Name, KindSettings] = Field(
        default={}, max_length=16, description="Servers of enabled plugins, by their names: each answers at ports of its own."
    )
    tls: ManagementTls = Field(default=ManagementTls(), description="How connections from elsewhere are protected.")
    limits: ManagementLimits = Field(
        default=ManagementLimits(), description="How much is taken of one address, of one user and of all."
    )
    tracing: ManagementTracing | None = Field(
        default=None, description="Traces of requests and streams. Absent: there are none, and nothing of it is loaded."
    )

    @model_validator(mode="after")
    def _has_ports_that_anybody_may_open(self) -> Self:
        for each in self.grpc:
            if each.port < 1024:
                raise ValueError(f"grpc: {each}: the API server has no privileges, so the port is 1024 or above")
            if each in self.listen:
                raise ValueError(f"grpc: {each} is in listen already: each has a port of its own")
        return self
