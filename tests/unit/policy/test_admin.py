"""An admin who works over the overlay is warned before a policy ends the session."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.planning import HostState
from appliance.api.profile import Profile
from appliance.planning.diff import plan
from appliance.planning.simulate import after
from appliance.policy.admin import shut_out

PEERS = [{"name": "laptop", "identity": "llp1:" + "a" * 52, "allowed": ["10.8.0.2/32", "10.9.0.0/24"]}]
MESH = {"network": "llpn1:" + "a" * 52, "label": "home", "overlay": ["10.8.0.0/16"]}
SSH = "10.8.0.2 50000 10.8.0.1 22"


def profile(*allow: dict[str, Any], **sections: Any) -> Profile:
    network = {"addresses": ["10.8.0.1/24"]}
    return Profile.model_validate({"profile": 1, "network": network, "peers": PEERS, "policy": {"allow": allow}, **sections})


@pytest.mark.parametrize(
    ("rule", "session", "survives"),
    [
        ({"from": ["laptop"], "what": ["tcp/22"]}, SSH, True),
        ({"from": ["laptop"], "what": ["tcp/22"]}, "10.8.0.2", True),
        ({"from": ["laptop"], "what": ["tcp/2222"]}, "10.8.0.2 50000 10.8.0.1 2222", True),
        ({"from": ["laptop"], "what": ["tcp/80"]}, SSH, False),
        ({"from": ["laptop"], "what": ["tcp/22"], "to": ["10.9.0.0/24"]}, SSH, False),
        ({"from": ["laptop"]}, "10.9.0.7 50000 10.8.0.1 22", False),
        ({"from": ["10.9.0.0/24"]}, "10.9.0.7 50000 10.8.0.1 22", True),
    ],
)
def test_a_session_over_the_overlay_needs_a_rule(rule: dict[str, Any], session: str, survives: bool) -> None:
    assert (shut_out(profile(rule), session) == "") is survives


@pytest.mark.parametrize(("who", "survives"), [("members", True), ("tag:admin", True), ("desk", True), ("10.7.0.0/16", False)])
def test_a_member_is_given_the_benefit_of_the_doubt(who: str, survives: bool) -> None:
    assert (shut_out(profile({"from": [who]}, mesh=MESH), "10.8.0.9") == "") is survives


def test_the_plan_says_whose_session_would_end() -> None:
    lo = {"index": 1, "kind": "", "mtu": 65536, "up": True, "gso_max_size": 65536, "tx_queue_len": 1000, "tun": None}
    bare = HostState(tools={"nft": "nft"}, links={"lo": lo})
    there = after(bare, [step.do for step in plan(profile({"from": ["laptop"]}), bare).steps])
    denying = profile({"from": ["laptop"], "what": ["tcp/80"]})
    assert plan(denying, there, admin_address=SSH).cuts_off == "10.8.0.2: the policy denies tcp/22 from it"
    assert plan(profile({"from": ["laptop"]}), there, admin_address=SSH).cuts_off == ""
    assert plan(denying, there, admin_address="192.0.2.1 50000 192.0.2.2 22").cuts_off == ""
