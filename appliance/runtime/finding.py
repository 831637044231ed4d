"""Where a node's peers are, for people: by name, and what each discovery kind said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from appliance.api.values import Endpoint
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.planning.naming import naming
from appliance.runtime.peers.table import Origin, PeerEntry
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.runtime.node_runtime import NodeRuntime

WRITTEN, ROSTER = "profile", "roster"
"""What is shown as the kind of endpoints that are no discoverer's candidates: they stand in the profile, or a network's members
told each other. Those of a peer that a discovery kind brought are that kind's."""


class NoSuchName(ApplianceError):
    """Nobody is called so here."""


def discovered(node: NodeRuntime) -> list[dict[str, Any]]:
    """Each place where a peer may be: which kind said so, how many seconds ago (None: it is written down), why the last attempt
    there failed, and whether the peer's session goes there now."""
    peers = node.driver.node.peers
    now = {session.peer: session.endpoint for session in node.figures.sessions(clock.monotonic())}
    rows: list[tuple[str, str, Endpoint, float | None]] = [
        (found.kind, found.peer, found.endpoint, found.age) for found in node.discovery.found()
    ]
    told = {(peer, endpoint) for _, peer, endpoint, _ in rows}
    rows += [
        (_source(node, entry), entry.name, endpoint, None)
        for entry in node.peers.table
        if entry.name in peers
        for endpoint in peers[entry.name].endpoints
        if (entry.name, endpoint) not in told
    ]
    return [
        {
            "kind": kind,
            "peer": peer,
            "endpoint": str(endpoint),
            "age_s": None if age is None else round(age, 3),
            "tried": peers[peer].tried(endpoint) or None,
            "works": now.get(peer) == str(endpoint),
        }
        for kind, peer, endpoint, age in rows
        if peer in peers
    ]


def _source(node: NodeRuntime, entry: PeerEntry) -> str:
    """Who said where this peer is, if no discoverer did."""
    if entry.origin is Origin.PROFILE:
        return WRITTEN
    return node.brought.kind_of(entry.name) or ROSTER


def lookup(node: NodeRuntime, profile: Profile, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Who is called `name`, with the label or without: the name as the table has it, and the addresses inside the overlay. Raises
    NoSuchName."""
    from appliance.runtime.names.book import Book  # which a node without names does not need otherwise

    match arguments:
        case {"name": str(text), **others} if not others:
            name = text.rstrip(".").lower()
        case _:
            raise BadArguments("lookup: there is one argument, name", hint='for example {"name": "laptop"}')
    wanted = naming(profile)
    if wanted is not None:
        name = name.removesuffix(f".{wanted.label}")
    addresses = Book(node.peers.table, lambda: node.called, profile).lookup(name)
    if not addresses:
        raise NoSuchName(f"no peer is called {text[:80]!r}, or it has no address of its own", hint="see: appliance status")
    written = next((entry.name for entry in node.peers.table if entry.name.lower() == name), node.called)
    return {"name": written, "addresses": [str(address) for address in addresses]}
