"""What a certificate brings to a host is planned like what stands in the profile, and is taken out of it again."""

from __future__ import annotations

import ipaddress
from typing import Any

from appliance.api.planning import HostState
from appliance.api.profile import Profile
from appliance.planning.desired import desired
from appliance.planning.ledger import Ledger
from appliance.planning.membership import as_written, outside_the_overlay, overlay, reserved, with_membership

NETWORK = "llpn1:" + "a" * 52
OWN = (ipaddress.ip_address("10.86.3.7"), ipaddress.ip_address("fd12:3456:789a::7"))


def profile(mesh: dict[str, Any] | None = None, **network: Any) -> Profile:
    section = {"network": NETWORK, "label": "home"} | (mesh or {})
    return Profile.model_validate({"profile": 1, "mesh": section, "network": network})


def routed(made: Profile) -> list[str]:
    wanted = desired(made, HostState(), Ledger())
    return [route["destination"] for route in wanted.routes]


def texts(things: Any) -> list[str]:
    return [str(thing) for thing in things]


def test_the_certificates_addresses_are_the_nodes_with_the_networks_they_stand_for() -> None:
    made = with_membership(profile(), OWN)
    assert texts(made.network.addresses) == ["10.86.3.7/16", "fd12:3456:789a::7/48"]
    assert texts(overlay(made)) == ["10.86.0.0/16", "fd12:3456:789a::/48"]
    assert as_written(made) == profile()


def test_a_renewed_certificate_takes_the_place_of_the_one_before() -> None:
    once = with_membership(profile(addresses=["10.8.0.1/24"]), OWN)
    again = with_membership(once, (ipaddress.ip_address("10.86.3.8"),))
    assert texts(again.network.addresses) == ["10.8.0.1/24", "10.86.3.8/16"]
    assert texts(with_membership(again, OWN).network.addresses) == ["10.8.0.1/24", "10.86.3.7/16", "fd12:3456:789a::7/48"]


def test_an_address_that_is_written_is_as_it_is_written() -> None:
    made = with_membership(profile(addresses=["10.86.3.7/24"]), OWN[:1])
    assert texts(made.network.addresses) == ["10.86.3.7/24"]
    assert texts(as_written(made).network.addresses) == ["10.86.3.7/24"]


def test_all_of_the_overlay_and_what_is_accepted_goes_into_the_overlay() -> None:
    mesh = {"overlay": ["10.86.0.0/16", "10.87.0.0/16"], "accept": {"prefixes": ["192.168.7.0/24"]}}
    made = with_membership(profile(mesh), OWN[:1])
    assert texts(made.network.addresses) == ["10.86.3.7/16"]
    assert routed(made) == ["10.87.0.0/16", "192.168.7.0/24"], "the kernel makes the first by itself"
    assert texts(reserved(made)) == ["10.86.0.0/16", "10.87.0.0/16", "192.168.7.0/24"]


def test_an_exit_is_used_only_where_the_profile_says_both() -> None:
    mesh = {"accept": {"exit": "gateway"}}
    made = with_membership(profile(mesh), OWN[:1])
    assert routed(made) == []
    full = with_membership(profile(mesh, full_tunnel=True), OWN[:1])
    assert "0.0.0.0/0" in routed(full)
    assert "::/0" not in routed(full), "it has no IPv6 address"


def test_a_certificate_outside_of_the_overlay_is_told() -> None:
    [problem] = outside_the_overlay(profile({"overlay": ["10.87.0.0/16"]}), OWN[:1])
    assert (problem.path, "10.86.3.7" in problem.message) == ("mesh.overlay", True)
    assert not list(outside_the_overlay(profile(), OWN))
