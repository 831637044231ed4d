"""Which keys differ between two profiles, as somebody who judges a change wants to read it."""

from __future__ import annotations

from typing import Any

from appliance.api.profile import Profile
from appliance.planning.profile_changes import KeyChange, profile_changes

IDENTITY = "llp1:" + "a" * 52
PEER = {"name": "hq", "identity": IDENTITY, "allowed": ["10.8.0.2/32"]}


def profile(**more: Any) -> Profile:
    return Profile.model_validate({"profile": 1} | more)


def test_the_same_profile_has_no_changes() -> None:
    assert profile_changes(profile(peers=[PEER]), profile(peers=[PEER])) == []


def test_a_key_by_its_dotted_name() -> None:
    changes = profile_changes(profile(), profile(network={"mtu": 1300}))
    assert changes == [KeyChange("network.mtu", 1400, 1300, "changed")]


def test_a_peer_s_prefix_has_the_place_of_the_peer() -> None:
    changes = profile_changes(profile(peers=[PEER]), profile(peers=[PEER | {"allowed": ["10.9.0.0/16"]}]))
    assert changes == [KeyChange("peers.0.allowed.0", "10.8.0.2/32", "10.9.0.0/16", "changed")]


def test_a_list_that_is_longer_now_is_one_change() -> None:
    (change,) = profile_changes(profile(), profile(peers=[PEER]))
    assert (change.key, change.before, change.kind) == ("peers", [], "changed")
    assert change.after[0]["name"] == "hq"


def test_a_section_that_comes_and_goes() -> None:
    (added,) = profile_changes(profile(), profile(management={}))
    (removed,) = profile_changes(profile(management={}), profile())
    assert (added.key, added.kind, removed.kind) == ("management", "added", "removed")


def test_a_secret_is_told_to_be_another_and_never_its_value() -> None:
    before, after = (
        profile(monitoring={"mail": {"token": "old", "to": "a"}}),
        profile(monitoring={"mail": {"token": "new", "to": "b"}}),
    )
    changes = {change.key: change for change in profile_changes(before, after, {"monitoring.mail.token"})}
    assert changes["monitoring.mail.token"] == KeyChange("monitoring.mail.token", None, None, "changed", secret=True)
    assert changes["monitoring.mail.to"].after == "b"
    (whole,) = profile_changes(profile(), after, {"monitoring.mail.token"})
    assert whole.secret
    assert whole.after is None, "a section that comes with a secret in it is not told either"
