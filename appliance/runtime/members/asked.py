"""What callers of the control socket ask about members: take statements that the admin has here, and tell who the peers are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from appliance.api.values import RELAY
from appliance.api.zones import shown
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.members.parcel import read_parcel
from appliance.members.statement import StatementRefused
from appliance.protocol.session import SessionState
from appliance.runtime.peers.passed_over import passed_over
from appliance.runtime.peers.table import Origin

if TYPE_CHECKING:
    from appliance.members.certificate import Certificate
    from appliance.protocol.node import Node
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.members.mesh_runtime import MeshRuntime
    from appliance.runtime.peers.table import PeerEntry, PeerTable


async def take_statements(mesh: Mesh | None, network: object, body: bytes) -> dict[str, Any]:
    """Take a parcel of statements of the network with that fingerprint, and let them count. Raises ApplianceError when this node
    is not in it, or what came is no parcel."""
    if mesh is None or mesh.trust.network.fingerprint != network:
        raise ApplianceError(
            "the running node is not in that network", hint="what was signed is in the network's folder; start a node of it"
        )
    try:
        statements = list(read_parcel(body))
    except StatementRefused as error:
        raise ApplianceError(f"that is no parcel of statements: {error.reason}") from None
    before = mesh.trust.refused.copy()
    new = await mesh.take_in_pieces(statements)
    mesh.apply()
    await mesh.applied()
    refused = mesh.trust.refused - before
    return {"new": new, "known": len(statements) - new - refused.total(), "refused": {str(why): n for why, n in refused.items()}}


def peers(
    table: PeerTable,
    node: Node,
    runtime: MeshRuntime | None,
    paths: Mapping[str, Mapping[str, Any]],
    blocked: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """All peers in the table's order, members that are no peers here at the end. `paths`: what is known of the path to each, by
    name. `blocked`: who has no session for now and why, by identity."""
    mesh = None if runtime is None else runtime.mesh
    members: Mapping[str, Certificate] = {} if mesh is None else mesh.members()
    found = []
    for entry in table:
        peer = _peer(entry, node, members.get(entry.identity))
        found.append(peer | _path(peer, paths.get(entry.name)))
        if entry.identity in blocked:
            found[-1]["blocked"] = blocked[entry.identity]
        if runtime is not None and entry.identity in members:
            found[-1] |= {
                "standing": runtime.gossip.standing(entry.identity),
                "neighbour": runtime.gossip.is_neighbour(entry.identity),
            }
    if mesh is not None:
        found += [
            {
                "name": members[identity].name,
                "identity": identity,
                "origin": "member",
                "connected": False,
                "not_taken": why.message,
            }
            for identity, why in mesh.taken_in.refused.items()
            if identity in members
        ]
    return found


def _path(peer: Mapping[str, Any], known: Mapping[str, Any] | None) -> dict[str, Any]:
    """How a peer is reached: directly or by a relay, since when, and why not directly. A session is there when both directions
    were proved, so this holds for both."""
    if not peer["connected"]:
        return {"path": None}
    relayed = peer["endpoint"].startswith(f"{RELAY}://")
    path = {"path": "relayed" if relayed else "direct"}
    return path if known is None else path | {"path_since_s": round(known["since_s"]), "why": known["why"] if relayed else ""}


def _peer(entry: PeerEntry, node: Node, certificate: Certificate | None) -> dict[str, Any]:
    known = node.peers.get(entry.name)
    session = node.sessions.get(known.session) if known is not None and known.session is not None else None
    connected = session is not None and session.state is SessionState.ACTIVE
    return {
        "name": entry.name,
        "identity": entry.identity,
        "origin": "profile" if entry.origin is Origin.PROFILE else "member" if certificate is not None else "discovery",
        "connected": connected,
        "endpoint": shown(session.endpoint) if session is not None and connected else "",
        "rtt_ms": round(session.rtt * 1000, 1) if session is not None and session.rtt is not None else None,
        "since_s": round(clock.monotonic() - session.since) if session is not None and connected else None,
        "allowed": [str(prefix) for prefix in entry.allowed],
        "expires": clock.utc_text(certificate.not_after) if certificate is not None else None,
        "last_error": known.last_error if known is not None else "",
        "passed_over": passed_over(known, session) if known is not None and connected else [],
    }
