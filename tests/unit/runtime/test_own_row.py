from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from appliance.api.values import Endpoint
from appliance.members.reflections import Mapping, Verdict
from appliance.members.row import MOST_ENDPOINTS, EndpointKind
from appliance.runtime.members.own_row import own_endpoints


def at(text: str) -> Endpoint:
    return Endpoint.parse(text)


LISTENING = [at("udp://0.0.0.0:8443"), at("tcp://0.0.0.0:8443")]


def paths(mapping: Mapping, seen: str, mapped: str = "") -> Any:
    """What the search for paths knows."""
    verdicts = {4: Verdict(mapping, (at(seen),), 4), 6: Verdict(Mapping.UNKNOWN, (), 0)}
    return SimpleNamespace(mapping=SimpleNamespace(mapped=at(mapped) if mapped else None), verdict=verdicts.__getitem__)


def said(found: list[Any]) -> dict[str, EndpointKind]:
    return {str(each.endpoint): each.kind for each in found}


def test_each_endpoint_is_said_with_how_it_is_known() -> None:
    found = own_endpoints(
        LISTENING,
        ["192.168.7.2"],
        [at("udp://vpn.example:443")],
        paths(Mapping.INDEPENDENT, "udp://8.8.8.8:4711", "udp://9.9.9.9:5000"),
    )
    assert said(found) == {
        "udp://vpn.example:443": EndpointKind.CONFIGURED,
        "udp://9.9.9.9:5000": EndpointKind.MAPPED,
        "udp://8.8.8.8:4711": EndpointKind.REFLECTED,
        "udp://192.168.7.2:8443": EndpointKind.LOCAL,
        "tcp://192.168.7.2:8443": EndpointKind.LOCAL,
    }


def test_a_port_that_is_another_one_for_each_peer_is_not_said() -> None:
    for mapping in (Mapping.DEPENDENT, Mapping.UNKNOWN):
        assert not own_endpoints([], [], [], paths(mapping, "udp://8.8.8.8:4711"))
    assert said(own_endpoints(LISTENING[:1], ["10.0.0.1"], [], None)) == {"udp://10.0.0.1:8443": EndpointKind.LOCAL}


def test_no_more_than_a_row_holds() -> None:
    announced = [at(f"udp://8.8.8.{number}:1") for number in range(40)]
    assert len(own_endpoints([], [], announced, None)) == MOST_ENDPOINTS
