"""A profile is completed with what this node's certificate brings, or it is said what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.api.profile import Profile
from appliance.errors import MissingPrivilege
from appliance.foundation import places
from appliance.runtime.members.network_folder import NetworkFolder
from appliance.runtime.members.own_certificate import Completed, completed
from tests.unit.members.signed import DAY, NETWORK, NOW, certificate, grants, identity, issuer, revocation


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "kept_dir", lambda *_words: tmp_path)


def lay(*statements: Any) -> NetworkFolder:
    folder = NetworkFolder.of("home")
    folder.make()
    folder.keep_network(NETWORK)
    folder.keep_statements(each.encoded for each in statements)
    return folder


def complete(now: int = NOW, network: dict[str, Any] | None = None, **mesh: Any) -> Completed:
    section = {"network": NETWORK.fingerprint, "label": "home"} | mesh
    profile = Profile.model_validate({"profile": 1, "mesh": section, "network": network or {}})
    return completed(profile, lambda: identity("laptop"), now)


MINE = certificate("laptop", grants=grants("10.7.0.2"))


def test_the_certificates_addresses_are_the_profiles() -> None:
    lay(MINE, certificate("other", grants=grants("10.7.0.3")), issuer())
    made = complete()
    assert (made.problems, made.warnings) == ((), ())
    assert [str(address) for address in made.profile.network.addresses] == ["10.7.0.2/16"]


def test_others_are_not_verified() -> None:
    other = bytearray(certificate("other").encoded)
    other[-1] ^= 1
    folder = lay(MINE)
    folder.keep_statements([bytes(other), MINE.encoded])
    assert not complete().problems


@pytest.mark.parametrize(
    ("statements", "now", "said"),
    [
        ([], NOW, "has no certificate of network home that is valid"),
        ([certificate("other")], NOW, "has no certificate of network home that is valid"),
        ([MINE, issuer(), revocation("laptop")], NOW + 31 * DAY, "was removed from network home"),
        ([MINE, revocation("laptop")], NOW, "was removed from network home"),
    ],
    ids=["nothing", "somebody else's", "removed long ago", "removed"],
)
def test_without_one_that_counts_it_is_said_why(statements: list[Any], now: int, said: str) -> None:
    lay(*statements)
    [problem] = complete(now).problems
    assert (problem.path, said in problem.message, "appliance join CODE" in problem.hint) == ("mesh", True, True)
    made = complete(now, {"addresses": ["10.8.0.1/24"]})
    assert made.problems == ()
    assert said in made.warnings[0], "the peers of the profile do not suffer"
    assert [str(address) for address in made.profile.network.addresses] == ["10.8.0.1/24"]


def test_one_that_has_ended_leaves_the_node_its_addresses_since_the_clock_may_be_wrong() -> None:
    lay(MINE)
    made = complete(NOW + 31 * DAY)
    assert (made.problems, [str(address) for address in made.profile.network.addresses]) == ((), ["10.7.0.2/16"])
    [said] = made.warnings
    assert "ended on 2027-02-14, and this host's clock says 2027-02-15; if that is so, ask the owner" in said


@pytest.mark.parametrize("wall", [DAY, NOW - 30 * DAY], ids=["before anything", "before this node joined"])
def test_a_clock_that_says_a_time_before_it_began_is_not_believed(wall: int) -> None:
    lay(MINE, certificate("other", not_before=NOW + DAY), certificate("founder", not_before=NOW - 90 * DAY))
    made = complete(wall)
    assert (made.problems, made.warnings) == ((), ())
    assert [str(address) for address in made.profile.network.addresses] == ["10.7.0.2/16"]


def test_tags_beside_a_rendezvous_that_is_off_are_worth_a_warning() -> None:
    lay(MINE)
    assert complete(rendezvous={"tags": ["printers"], "call": ["printers"]}).warnings == ()
    made = complete(rendezvous={"use": False, "tags": ["printers"], "call": ["printers"]})
    assert made.problems == ()
    assert [warning.partition(":")[0] for warning in made.warnings] == ["mesh.rendezvous.tags", "mesh.rendezvous.call"]
    lay()
    assert len(complete(NOW + 31 * DAY, {"addresses": ["10.8.0.1/24"]}, rendezvous={"use": False, "tags": ["t"]}).warnings) == 2


def test_a_folder_of_another_network_is_not_taken() -> None:
    lay(MINE)
    section = {"network": "llpn1:" + "a" * 52, "label": "home"}
    [problem] = completed(Profile.model_validate({"profile": 1, "mesh": section}), lambda: identity("laptop"), NOW).problems
    assert "is of another network" in problem.message


def test_nothing_here_is_a_problem_that_says_what_to_do() -> None:
    [problem] = complete().problems
    assert "this host is not in a network home" in problem.message


def test_what_clashes_with_the_rest_of_the_profile_is_said() -> None:
    lay(MINE)
    assert [problem.path for problem in complete(overlay=["10.9.0.0/16"]).problems] == ["mesh.overlay"]


def test_an_identity_that_cannot_be_read_is_said() -> None:
    def unreadable() -> str:
        raise MissingPrivilege("you may not read this", hint="run it as root")

    lay(MINE)
    profile = Profile.model_validate({"profile": 1, "mesh": {"network": NETWORK.fingerprint, "label": "home"}})
    [problem] = completed(profile, unreadable, NOW).problems
    assert (problem.message, problem.hint) == ("you may not read this", "run it as root")
