"""Where this node can be called, with how it knows: what its row says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from appliance.members.reflections import Mapping
from appliance.members.row import MOST_ENDPOINTS, EndpointKind, Reachable
from appliance.runtime.members.reachable import reachable_at

if TYPE_CHECKING:
    from appliance.api.values import Endpoint
    from appliance.runtime.members.paths import Paths

_STABLE: Final = frozenset({Mapping.NONE, Mapping.INDEPENDENT})
"""Behind any other NAT each peer sees another port, which is no use to the next one."""


def own_endpoints(
    listening: Iterable[Endpoint], addresses: Iterable[str], announced: Iterable[Endpoint], paths: Paths | None
) -> list[Reachable]:
    """Most wanted first. `listening`: bound endpoints. `addresses`: of this host, outside of the overlay."""
    found = dict.fromkeys(announced, EndpointKind.CONFIGURED)
    if paths is not None:
        if paths.mapping.mapped is not None:
            found.setdefault(paths.mapping.mapped, EndpointKind.MAPPED)
        for version in (4, 6):
            verdict = paths.verdict(version)
            if verdict.mapping in _STABLE:
                for seen in verdict.seen:
                    found.setdefault(seen, EndpointKind.REFLECTED)
    for endpoint in reachable_at(listening, addresses):
        found.setdefault(endpoint, EndpointKind.LOCAL)
    return [Reachable(kind, 0, endpoint) for endpoint, kind in found.items()][:MOST_ENDPOINTS]
