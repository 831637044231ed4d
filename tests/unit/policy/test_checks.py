"""What is told about a policy before it counts: words that mean nobody, and answers that are not as expected."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.profile import Profile
from appliance.planning.membership import overlay
from appliance.policy.checks import problems

A = "llp1:" + "a" * 52
B = "llp1:b" + "a" * 51
MESH = {"network": "llpn1:" + "a" * 52, "label": "home", "overlay": ["10.8.0.0/16"]}
PEERS = [
    {"name": "laptop", "identity": A, "allowed": ["10.8.0.2/32", "10.7.0.0/24"]},
    {"name": "branch", "identity": B, "allowed": ["10.9.0.0/24"]},
]


def found(allow: list[dict[str, Any]], *tests: dict[str, Any], **sections: Any) -> dict[str, str]:
    profile = Profile.model_validate(
        {
            "profile": 1,
            "network": {"addresses": ["10.8.0.1/16"]},
            "peers": PEERS,
            "policy": {"allow": allow, "tests": tests},
            **sections,
        }
    )
    return {problem.path: problem.message for problem in problems(profile, overlay(profile))}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lapdog", "there is no peer 'lapdog'"),
        ("branch", "peer 'branch' has no address of its own, only what is behind it (10.9.0.0/24)"),
        ("tag:guest", "tag:guest means nobody: this node has no section mesh"),
        ("members", "members means nobody: this node has no section mesh"),
    ],
)
def test_a_word_that_means_nobody_is_a_problem(word: str, message: str) -> None:
    assert found([{"from": ["laptop", word]}]) == {"policy.allow.0.from.1": message}
    assert found([{"from": ["laptop"], "to": [word]}]) == {"policy.allow.0.to.0": message}
    assert found([], {"from": word, "what": "icmp", "expect": "deny"}) == {"policy.tests.0.from": message}


def test_members_need_not_be_known_yet() -> None:
    assert found([{"from": ["lapdog", "tag:guest", "members"]}], mesh=MESH) == {}
    assert list(found([{"from": ["10.8.0.300"]}], mesh=MESH)) == ["policy.allow.0.from.0"], "no member can be called so"


def test_a_peer_cannot_be_called_like_a_group() -> None:
    peers = [{"name": "any", "identity": A, "allowed": ["10.8.0.2/32"]}]
    assert found([], peers=peers) == {"peers.0.name": "'any' means something else in a policy"}


RULES: list[dict[str, Any]] = [
    {"from": ["laptop"], "what": ["service:ssh", "icmp"]},
    {"from": ["tag:admin"], "what": ["tcp/22"]},
    {"from": ["10.8.0.0/16"], "what": ["tcp/80"]},
    {"from": ["members"], "to": ["10.9.0.0/16"], "what": ["tcp"]},
]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ({"from": "laptop", "what": "service:ssh"}, "allow"),
        ({"from": "laptop", "what": "service:echo"}, "deny"),
        ({"from": "laptop", "what": "tcp/80"}, "allow"),
        ({"from": "laptop", "what": "tcp/22", "tags": ["admin"]}, "allow"),
        ({"from": "10.8.0.2", "what": "icmp"}, "allow"),
        ({"from": "10.7.0.2", "what": "icmp"}, "deny"),
        ({"from": "tag:admin", "what": "tcp/22"}, "allow"),
        ({"from": "tag:guest", "what": "tcp/22"}, "deny"),
        ({"from": "tag:guest", "what": "tcp/80"}, "allow"),
        ({"from": "newcomer", "what": "tcp/80"}, "allow"),
        ({"from": "newcomer", "what": "tcp/22", "tags": ["admin"]}, "allow"),
        ({"from": "newcomer", "to": "10.9.0.7", "what": "tcp/22"}, "allow"),
        ({"from": "members", "to": "10.9.0.0/24", "what": "tcp/22"}, "allow"),
        ({"from": "members", "to": "10.0.0.0/8", "what": "tcp/22"}, "deny"),
        ({"from": "peers", "to": "10.9.0.7", "what": "tcp/22"}, "deny"),
        ({"from": "any", "what": "tcp/80"}, "deny"),
        ({"from": "laptop", "to": "10.8.0.1", "what": "icmp"}, "allow"),
    ],
)
def test_a_question_has_one_right_answer(question: dict[str, Any], answer: str) -> None:
    wrong = {"allow": "deny", "deny": "allow"}[answer]
    assert found(RULES, {**question, "expect": answer}, mesh=MESH) == {}
    assert list(found(RULES, {**question, "expect": wrong}, mesh=MESH)) == ["policy.tests.0.expect"]


def test_what_is_told_says_who_and_what() -> None:
    wrong = found(RULES, {"from": "tag:guest", "what": "tcp/22", "expect": "allow"}, mesh=MESH)
    assert wrong == {"policy.tests.0.expect": "tag:guest to self with tcp/22 is denied, expected allow"}
