"""The family `enrol` of a node in a network (`members.enrolment` says what is said): who this node invited may join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from appliance.api.peer_protocol import Limits, PeerProtocolKind, PeerProtocolServices
from appliance.linux import address_dump
from appliance.members.code import Contact
from appliance.members.enrolment import FAMILY
from appliance.members.scope import Role
from appliance.protocol.session import SessionState
from appliance.runtime.members.enrolling import Enrolling
from appliance.runtime.members.passing_on import PassingOn
from appliance.runtime.members.reachable import reachable_at

if TYPE_CHECKING:
    from appliance.api.values import Endpoint
    from appliance.runtime.members.mesh import Mesh

LIMITS: Final = Limits(messages=8.0, bytes=131_072.0, waiting=8, requests=8)
"""What four newcomers need at a time, whose words one member passes on: two requests each, perhaps repeated."""
MOST_RELAYS: Final = 2
"""In a code, which a person types."""


def kind(mesh: Mesh) -> PeerProtocolKind:
    """See `runtime.members.families`."""
    return PeerProtocolKind(FAMILY, None, lambda _settings, services: _enrolling(mesh, services), LIMITS, before_membership=True)


def _enrolling(mesh: Mesh, services: PeerProtocolServices) -> Enrolling:
    parts = mesh.parts
    return Enrolling(
        parts.folder,
        mesh.trust,
        parts.identity,
        parts.driver.node.control,
        here=lambda: _here(mesh),
        others=lambda: [Contact(entry.identity, entry.endpoints) for entry in mesh.settings.bootstrap],
        take=mesh.take,
        relays=lambda: list(islice(_relays(mesh), MOST_RELAYS)),
        passing_on=PassingOn(services, mesh.peer_of),
    )


def _relays(mesh: Mesh) -> Iterator[Contact]:
    """Members with a session that this node began itself: there they can be called. Relays of the network come first."""
    node, members = mesh.parts.driver.node, mesh.members()
    sessions = [each for each in node.sessions.values() if each.initiator and each.state is SessionState.ACTIVE and each.proved]
    found = [(members.get(node.peers[each.peer].settings.identity), each.endpoint) for each in sessions]
    for certificate, endpoint in sorted(found, key=lambda each: each[0] is None or Role.RELAY not in each[0].roles):
        if certificate is not None and endpoint is not None and endpoint.host:
            yield Contact(certificate.identity, (endpoint,))


def _here(mesh: Mesh) -> Sequence[Endpoint]:
    """Where this node can be called, as far as its host knows. Its addresses inside the overlay are no such places."""
    own = mesh.members().get(mesh.own)
    inside = {str(address) for address in own.addresses} if own is not None else set()
    found = (each["address"].partition("/")[0] for each in address_dump.addresses() if each["scope"] == "global")
    transports = mesh.parts.driver.transports
    listening = transports.bound.values() if transports is not None else ()
    return reachable_at(listening, [each for each in found if each not in inside])
