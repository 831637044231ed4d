"""Rows about the API server itself."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from appliance.management.operations.row import AnsweredBy, Result, Row, Verb


class Pins(Result):
    """What clients may pin: sha256/ and the BASE64 of a key's SubjectPublicKeyInfo (RFC 7469, section 2.4)."""

    pin: str
    """Of the key in use; "" where no TLS is spoken."""
    backup: str
    """Of the key that comes next; "" if the certificate comes from the profile's files."""
    until: str
    """When the certificate ends, RFC 3339. It is renewed long before."""
    source: str
    """"own" or "profile"."""
    exchange: str
    """The key exchange that is offered first; only X25519MLKEM768 is post-quantum."""


class TracingFigures(Result):
    """How recording and sending traces goes."""

    sample: float = Field(description="The share of traces that begin here which is recorded.")
    collector: str = Field(description='Where spans are sent; "" if nowhere.')
    sent: int = Field(description="Spans that the collector took.")
    waiting: int = Field(description="Spans that are to be sent.")
    dropped: dict[str, int] = Field(examples=[{"not-taken": 512}], description="Spans, by reason.")
    problem: str = Field(description='Why nothing is sent; "" if all is well.')


class NodeAnswers(Result):
    """How the node answers its API server."""

    state: str
    """"closed": it does; "open": it did not, and is not asked; "half-open": one question is tried."""
    opened: int
    """How often that began."""
    refused: int
    """Questions that were not asked then."""
    old: int
    """Answers that were the last ones from before."""


class ServerFigures(Result):
    """How the API server is."""

    uptime: float
    """Seconds."""
    memory: int
    """Bytes that it has in memory."""
    connections: int
    """Now, also those at the Unix socket."""
    accepted: int
    """Connections since the start."""
    streams: int
    """Answers under way that have no end of their own."""
    requests: dict[str, int] = Field(examples=[{"2xx": 120, "4xx": 3}])
    """Answered since the start, by class of status."""
    certificate: Pins
    refused: dict[str, int] = Field(examples=[{"rate": 3}])
    """What went no further than the edge, by reason."""
    node: NodeAnswers
    short: dict[str, str] = Field(examples=[{"memory": "31 MiB of memory can still be had"}])
    """What it or its host is short of, each with the figures: strangers are turned away, and at the worst everybody but root."""
    tracing: TracingFigures | None = Field(default=None, description="null where the profile has no management.tracing.")


ROWS: Final = (
    Row(
        "server",
        "how the API server is, and what it refused",
        "Server",
        "node.read",
        Verb.GET,
        "/server",
        ServerFigures,
        answered_by=AnsweredBy.SERVER,
    ),
    Row(
        "server.rotate",
        "use the backup key in TLS from now on",
        "Server",
        "server.manage",
        Verb.POST,
        "/server/certificate/rotate",
        Pins,
        answered_by=AnsweredBy.SERVER,
        fails=(409,),
        about="Clients that pinned the backup key go on. Another backup is made, whose pin the answer has.",
    ),
)
