"""What callers of the control socket ask about members: take statements that the admin has here, and tell who the peers are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance.api.zones import shown
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.members.parcel import read_parcel
from appliance.members.statement import StatementRefused
from appliance.protocol.session import SessionState
from appliance.runtime.peers.table import Origin

if TYPE_CHECKING:
    from appliance.members.certificate import Certificate
    from appliance.protocol.node import Node
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.peers.table import PeerEntry, PeerTable

AT_ONCE: Final = 16
"""Statements that are taken before others get a turn: 6 ms."""


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
    new, before = 0, mesh.trust.refused.copy()
    for at in range(0, len(statements), AT_ONCE):
        new += mesh.take_all(statements[at : at + AT_ONCE])
        await asyncio.sleep(0)
    mesh.apply()
    refused = mesh.trust.refused - before
    return {"new": new, "known": len(statements) - new - refused.total(), "refused": {str(why): n for why, n in refused.items()}}


def peers(table: PeerTable, node: Node, mesh: Mesh | None) -> list[dict[str, Any]]:
    """All peers in the table's order, members that are no peers here at the end."""
    members: Mapping[str, Certificate] = {} if mesh is None else mesh.members()
    found = [_peer(entry, node, members.get(entry.identity)) for entry in table]
    if mesh is not None:
        found += [
            {
                "name": members[identity].name,
                "identity": identity,
                "origin": "member",
                "connected": False,
                "not_taken": why.message,
            }
            for identity, why in mesh.not_taken.items()
            if identity in members
        ]
    return found


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
    }
