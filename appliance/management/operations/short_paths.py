"""Rows of the short paths below `/api`, for monitors and small dashboards: each has exactly its JSON, whatever is not well.

What a node does not have is told as nothing of it: no nodes, no connections, a component that is "absent".
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from appliance.management.operations.row import AnsweredBy, Result, Row, Verb

PREFIX: Final = "/api"
NAMES: Final = ("crypto", "signaling", "dht", "p2p", "storage", "ai")
"""The components, in this order."""


class Exactly(Result):
    """An answer without anything beside it."""

    model_config = Result.model_config | {"extra": "forbid"}


class CryptoShort(Exactly):
    """The cryptography. The names of the sizes are older than the names of the algorithms."""

    initialized: bool
    algorithm: str = Field(description="Kyber1024-Dilithium5: ML-KEM-1024 with ML-DSA-87 by their first names.")
    keyPairs: int
    kyberKeySize: int = Field(description="Bytes of an ML-KEM-1024 key: 1568.")
    dilithiumKeySize: int = Field(description="Bytes of an ML-DSA-87 key: 2592.")
    mode: str
    production: bool


class DhtStats(Exactly):
    """The distributed hash table in figures."""

    totalNodes: int
    bucketsUsed: int
    bootstrapNodes: int


class DhtNodes(Exactly):
    """Nodes of the distributed hash table."""

    nodes: list[dict[str, Any]]
    stats: DhtStats


class Signaling(Exactly):
    """WebRTC signalling in figures."""

    connections: int
    peers: int
    connectedPeers: int
    dhtNodes: int
    dhtBuckets: int


class PeersShort(Exactly):
    """All peers, each once."""

    connected: int
    total: int
    list_: list[dict[str, Any]] = Field(alias="list")
    signaling: Signaling
    dht: DhtStats


class Component(Exactly):
    """How a component is."""

    status: Literal["ok", "unwell", "absent"]
    detail: str = Field(description="What is wrong, or what there is of it.")


class Components(Exactly):
    """All six."""

    crypto: Component
    signaling: Component
    dht: Component
    p2p: Component
    storage: Component
    ai: Component


class HealthShort(Exactly):
    """How all is."""

    status: Literal["ok", "unwell"]
    timestamp: int = Field(description="Unix seconds.")
    uptime: int = Field(description="Milliseconds since the node was started; 0 if it does not answer.")
    version: str
    components: Components


_TAG: Final = "Short paths"


def _row(name: str, summary: str, path: str, result: type[Result]) -> Row:
    return Row(name, summary, _TAG, "node.read", Verb.GET, path, result, answered_by=AnsweredBy.SERVER, prefix=PREFIX)


ROWS: Final = (
    _row("short.peers", "peers, signalling and hash table together", "/peers", PeersShort),
    _row("short.crypto", "the cryptography in short", "/crypto/status", CryptoShort),
    _row("short.dht", "nodes of the distributed hash table", "/dht/nodes", DhtNodes),
    _row("short.health", "the health of all components; 503 if one is not well", "/health", HealthShort)._replace(unwell=503),
)
