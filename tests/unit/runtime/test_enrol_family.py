from __future__ import annotations

from appliance.api.values import Endpoint
from appliance.members.row import EndpointKind, Reachable
from appliance.runtime.members.enrol_family import _here
from appliance.runtime.members.gossip import Place


def test_a_code_names_where_anybody_comes_through() -> None:
    found = [
        Reachable(kind, 0, Endpoint("udp", f"198.51.100.{number}", 8443))
        for number, kind in enumerate((EndpointKind.CONFIGURED, EndpointKind.MAPPED, EndpointKind.REFLECTED, EndpointKind.LOCAL))
    ]
    found.append(Reachable(EndpointKind.CONFIGURED, 0, Endpoint("udp", "fe80::1%eth0", 8443)))
    assert [endpoint.host[-1] for endpoint in _here(Place(endpoints=lambda: found))] == ["0", "1", "3"]
