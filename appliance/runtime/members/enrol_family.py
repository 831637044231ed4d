"""The family `enrol` of a node in a network (`members.enrolment` says what is said): who this node invited may join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from appliance.api.peer_protocol import Limits, PeerProtocolKind, PeerProtocolServices
from appliance.members.code import Contact
from appliance.members.enrolment import FAMILY
from appliance.members.row import EndpointKind
from appliance.members.scope import Role
from appliance.protocol.session import SessionState
from appliance.runtime.members.enrolling import Enrolling
from appliance.runtime.members.passing_on import PassingOn

if TYPE_CHECKING:
    from appliance.api.values import Endpoint
    from appliance.runtime.members.gossip import Place
    from appliance.runtime.members.mesh import Mesh

LIMITS: Final = Limits(messages=8.0, bytes=131_072.0, waiting=8, requests=8)
"""What four newcomers need at a time, whose words one member passes on: two requests each, perhaps repeated."""
MOST_OTHERS: Final = 8
"""Members with a session that a newcomer is told of."""
MOST_RELAYS: Final = 2
"""In a code, which a person types."""


def kind(mesh: Mesh, place: Place) -> PeerProtocolKind:
    """See `runtime.members.families`."""
    return PeerProtocolKind(
        FAMILY, None, lambda _settings, services: _enrolling(mesh, place, services), LIMITS, before_membership=True
    )


def _enrolling(mesh: Mesh, place: Place, services: PeerProtocolServices) -> Enrolling:
    parts = mesh.parts
    return Enrolling(
        parts.folder,
        mesh.trust,
        parts.identity,
        parts.driver.node.control,
        here=lambda: _here(place),
        others=lambda: list(_others(mesh)),
        take=mesh.take,
        relays=lambda: [Contact(who, endpoints[:1]) for who, endpoints in islice(_connected(mesh), MOST_RELAYS)],
        passing_on=PassingOn(services, mesh.peer_of),
    )


def _here(place: Place) -> Sequence[Endpoint]:
    """Where anybody can call this node. Left out: where only those come through to whom it has sent something, and what means
    something on this host's own links only."""
    return [
        each.endpoint for each in place.endpoints() if each.kind is not EndpointKind.REFLECTED and "%" not in each.endpoint.host
    ]


def _others(mesh: Mesh) -> Iterator[Contact]:
    """Members whom a newcomer may call besides this node, should that be away later."""
    known = {entry.identity for entry in mesh.settings.bootstrap}
    yield from (Contact(entry.identity, entry.endpoints) for entry in mesh.settings.bootstrap)
    yield from (contact for contact in islice(_connected(mesh), MOST_OTHERS) if contact.identity not in known)


def _connected(mesh: Mesh) -> Iterator[Contact]:
    """Members with a session, and where they can be called, relays of the network first; not the same ones in all codes."""
    node, members = mesh.parts.driver.node, mesh.members()
    sessions = [each for each in node.sessions.values() if each.state is SessionState.ACTIVE and each.proved]
    found = {node.peers[each.peer].settings.identity: each for each in sessions}
    ordered = [members[identity] for identity in mesh.order(found) if identity in members]
    for certificate in sorted(ordered, key=lambda each: Role.RELAY not in each.roles):
        session = found[certificate.identity]
        called = (session.endpoint,) if session.initiator and session.endpoint is not None else ()
        endpoints = dict.fromkeys((*called, *mesh.reached_at(certificate.identity).endpoints))
        if direct := tuple(endpoint for endpoint in endpoints if endpoint.host):
            yield Contact(certificate.identity, direct)
