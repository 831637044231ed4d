"""The family `enrol` of a node in a network (`members.enrolment` says what is said): who this node invited may join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from appliance.api.peer_protocol import Limits, PeerProtocolKind
from appliance.linux import address_dump
from appliance.members.code import Contact
from appliance.members.enrolment import FAMILY
from appliance.runtime.members.enrolling import Enrolling
from appliance.runtime.members.reachable import reachable_at

if TYPE_CHECKING:
    from appliance.api.values import Endpoint
    from appliance.runtime.members.mesh import Mesh

LIMITS: Final = Limits(messages=4.0, bytes=65536.0, waiting=4, requests=2)
"""What a newcomer needs, twice: two requests, each perhaps repeated."""


def kind(mesh: Mesh) -> PeerProtocolKind:
    """See `runtime.members.families`."""
    return PeerProtocolKind(FAMILY, None, lambda _settings, _services: _enrolling(mesh), LIMITS, before_membership=True)


def _enrolling(mesh: Mesh) -> Enrolling:
    parts = mesh.parts
    return Enrolling(
        parts.folder,
        mesh.trust,
        parts.identity,
        parts.driver.node.control,
        here=lambda: _here(mesh),
        others=lambda: [Contact(entry.identity, entry.endpoints) for entry in mesh.settings.bootstrap],
        take=mesh.take,
    )


def _here(mesh: Mesh) -> Sequence[Endpoint]:
    """Where this node can be called, as far as its host knows. Its addresses inside the overlay are no such places."""
    own = mesh.members().get(mesh.own)
    inside = {str(address) for address in own.addresses} if own is not None else set()
    found = (each["address"].partition("/")[0] for each in address_dump.addresses() if each["scope"] == "global")
    transports = mesh.parts.driver.transports
    listening = transports.bound.values() if transports is not None else ()
    return reachable_at(listening, [each for each in found if each not in inside])
