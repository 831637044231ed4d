"""The words of a policy: what they read as, how they are written, and what is told of those that mean nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from appliance.api.access import What, Who
from appliance.api.profile import Profile


@pytest.mark.parametrize("text", ["laptop", "tag:guest", "any", "self", "peers", "members", "10.9.0.0/16", "fd00::/64"])
def test_somebody_is_written_as_he_is_read(text: str) -> None:
    assert str(Who.parse(text)) == text


@pytest.mark.parametrize("text", ["service:ssh", "services", "tcp/22", "udp/5000-5010", "tcp", "icmp", "icmpv6", "99"])
def test_what_is_used_is_written_as_it_is_read(text: str) -> None:
    assert str(What.parse(text)) == text


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"from": ["tag:Guest"]}, "is no tag"),
        ({"from": ["-x"]}, "means nobody"),
        ({"from": ["10.8.0.1/24"]}, "did you mean '10.8.0.0/24'?"),
        ({"from": ["self"]}, "what this node begins itself is not restricted"),
        ({"from": [7]}, "is written as text"),
        ({"from": ["a"], "what": ["tcp/0x16"]}, "has no port or range of ports"),
        ({"from": ["a"], "what": ["tcp/30-20"]}, "has no port or range of ports"),
        ({"from": ["a"], "what": ["tcp/65536"]}, "has no port or range of ports"),
        ({"from": ["a"], "what": ["icmp/8"]}, "this protocol has no ports"),
        ({"from": ["a"], "what": ["256"]}, "names nothing"),
        ({"from": ["a"], "what": ["ssh"]}, "names nothing"),
        ({"from": ["a"], "what": ["service:"]}, "is no service"),
        ({"from": ["a"], "what": ["tcp/842"]}, "write service:NAME"),
        ({"from": []}, "at least 1 item"),
    ],
)
def test_a_word_that_means_nothing_is_told_so(rule: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Profile.model_validate({"profile": 1, "policy": {"allow": [rule]}})
    assert told in str(caught.value)


def test_a_profile_with_a_policy_is_written_as_it_was_read() -> None:
    policy = {
        "allow": [{"from": ["tag:admin", "10.9.0.0/16"], "to": ["self"], "what": ["tcp/22", "services"]}],
        "tests": [{"from": "laptop", "to": "self", "what": "icmp", "tags": [], "expect": "deny"}],
    }
    profile = Profile.model_validate({"profile": 1, "policy": policy})
    assert profile.model_dump(mode="json", by_alias=True)["policy"] == policy
    assert Profile.model_validate(profile.model_dump(mode="json", by_alias=True)) == profile
