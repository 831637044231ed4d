"""The families of control messages that members speak, of the core's own.

A family is what a plugin's peer protocol is (`api.peer_protocol.PeerProtocolKind`), and runs as one: its handlers are called on
the event loop, each peer in its turn, within a few milliseconds; `on_request` may wait; its limits bound what one peer costs.
What it gets beyond that is the `Mesh`, which it closes over:

    def kind(mesh: Mesh) -> PeerProtocolKind:
        return PeerProtocolKind("roster", None, lambda _settings, services: Roster(mesh, services), LIMITS)

To add one: write such a function in a module of its own in this room, name it in `families` below, and the family in
`plugin_host.registry.CORE_PROTOCOLS`, so that no plugin takes its name. Peers are named as in the table of peers; a stranger on
probation has its fingerprint as name (`runtime.node.strangers.is_stranger`), and is told only to families with
`before_membership`. A handler that raises is counted and logged, and its peer hears nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.runtime.members.gossip import Place
    from appliance.runtime.members.mesh import Mesh


def families(mesh: Mesh, place: Place) -> list[PeerProtocolKind]:
    """All of them, in the order in which they are opened."""
    from appliance.runtime.members import enrol_family, member_family, renewing

    return [
        member_family.kind(mesh),
        enrol_family.kind(mesh, place),
        renewing.kind(mesh),
    ]
