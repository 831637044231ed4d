"""Several nodes of one host know their own things, and leave those of the others alone."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.planning import HostState
from appliance.api.profile import Profile
from appliance.errors import PlanError
from appliance.planning.diff import plan
from appliance.planning.own import INSTANCE_PROTOCOLS, UNNAMED, Owner
from appliance.planning.simulate import after
from tests.netns.profiles import profile

OFFICE = Owner.of("office")
SETTINGS = {"net.ipv4.ip_forward": "0", "net.ipv4.conf.all.accept_redirects": "1", "net.ipv4.conf.all.rp_filter": "0"}
HOST = HostState(tools={"nft": "/usr/sbin/nft"}, sysctls=SETTINGS)


def node(number: int, *allowed: str, **network: Any) -> Profile:
    """The profile of a node that shares nothing with those of other numbers."""
    wanted = {"interface": f"llp{number}", "addresses": [f"10.{number}.0.1/24"], "masquerade": [f"10.{number}.1.0/24"]} | network
    return profile([{"allowed": [f"10.{number}.1.0/24", *allowed]}], **wanted)


def test_the_number_follows_from_the_name_and_is_nobody_else_s() -> None:
    assert Owner.of("") == UNNAMED
    assert Owner.of("office") == Owner.of("office") != Owner.of("home")
    assert OFFICE.protocol in INSTANCE_PROTOCOLS
    assert OFFICE.table == "inet appliance.office"


def test_what_another_node_did_is_neither_taken_away_nor_taken_for_one_s_own() -> None:
    first = plan(node(1), HOST)
    shared = after(HOST, [step.do for step in first.steps])
    second = plan(node(2), shared, owner=OFFICE)
    both = after(shared, [step.do for step in second.steps])
    assert not [step for step in second.steps if "llp1" in str(step.do.args) or "10.1." in str(step.do.args)]
    assert {route["destination"]: route["protocol"] for route in both.routes if route["destination"].endswith(".1.0/24")} == {
        "10.1.1.0/24": UNNAMED.protocol,
        "10.2.1.0/24": OFFICE.protocol,
    }
    assert set(both.tables) == {UNNAMED.table, OFFICE.table}
    assert not plan(node(1), both, applied=first.steps).steps
    assert not plan(node(2), both, applied=second.steps, owner=OFFICE).steps
    alone = after(both, [step.undo for step in reversed(first.steps)])
    assert not [step for step in plan(node(2), alone, applied=second.steps, owner=OFFICE).steps if "sysctl" not in step.do.verb]


def test_one_of_them_has_the_full_tunnel() -> None:
    first = plan(node(1, "0.0.0.0/0", full_tunnel=True), HOST, owner=OFFICE)
    shared = after(HOST, [step.do for step in first.steps])
    with pytest.raises(PlanError, match="another node of this network namespace has a full tunnel"):
        plan(node(2, "0.0.0.0/0", full_tunnel=True), shared)
    assert plan(node(2), shared).steps
    assert not plan(node(1, "0.0.0.0/0", full_tunnel=True), shared, applied=first.steps, owner=OFFICE).steps
