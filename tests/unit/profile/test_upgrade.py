"""There is one version today, so the chain is shown with steps of its own."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from appliance.api.profile import ProfileSection
from appliance.profile.document import Document, Source, lines_of
from appliance.profile.problems import LocatedProblem
from appliance.profile.upgrade import move, upgrade, upgrade_section
from appliance.profile.yaml_reader import read_yaml


def document(text: str) -> Document:
    made, _ = read_yaml(text, Source("n.yaml", lines=lines_of(text)))
    assert made is not None
    return made


STEPS = {
    1: lambda old: move(old, ("host", "mtu"), ("network", "mtu")),
    2: lambda old: move(old, ("network", "mtu"), ("network", "mtu_bytes")),
}


def test_each_step_is_taken_once_and_places_go_along() -> None:
    new, problems = upgrade(document("profile: 1\nhost:\n  mtu: 1400\n"), steps=STEPS, target=3)
    assert not problems
    assert new.tree == {"profile": 3, "host": {}, "network": {"mtu_bytes": 1400}}
    assert new.spots["network", "mtu_bytes"][1:3] == (3, 8)
    assert new.spots["network",].line == 3


def test_a_later_version_skips_the_first_steps() -> None:
    new, _ = upgrade(document("profile: 2\nhost: {mtu: 1}\nnetwork: {mtu: 2}\n"), steps=STEPS, target=3)
    assert new.tree == {"profile": 3, "host": {"mtu": 1}, "network": {"mtu_bytes": 2}}


def test_the_current_version_and_none_stay_as_they_are() -> None:
    for text in ("profile: 1\na: 1\n", "a: 1\n"):
        new, problems = upgrade(document(text))
        assert not problems
        assert new.tree == document(text).tree


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("2", "version 2 is newer than this appliance, which reads up to 1"),
        ("0", "there is no version 0"),
        ("-1", "there is no version -1"),
        ("one", "the version is a number, found 'one'"),
        ("true", "the version is a number, found true"),
        ("1.0", "the version is a number, found 1.0"),
        ("", "the version is a number"),
    ],
)
def test_refused(version: str, told: str) -> None:
    _, problems = upgrade(document(f"name: x\nprofile: {version}\n"))
    assert told in problems[0].message
    assert (problems[0].path, problems[0].line) == ("profile", 2)


def test_moving_what_is_not_there_changes_nothing() -> None:
    old = document("a: 1\n")
    assert move(old, ("x", "y"), ("z",)) is old


class Mail(BaseModel):
    host: str


SECTION = ProfileSection("mail", lambda: Mail, version=2, upgrades={1: lambda old: {"host": old["server"]}})


def section(text: str) -> tuple[object, list[LocatedProblem]]:
    new, problems = upgrade_section(document(text), SECTION)
    return new.tree, problems


def test_a_section_has_a_version_of_its_own() -> None:
    assert section("mail: {version: 1, server: s}\n") == ({"mail": {"host": "s"}}, [])
    assert section("mail: {version: 2, host: s}\n") == ({"mail": {"host": "s"}}, [])
    assert section("mail: {host: s}\n") == ({"mail": {"host": "s"}}, [])
    assert section("other: 1\n") == ({"other": 1}, [])


def test_a_section_of_the_future() -> None:
    _, (problem,) = section("mail: {version: 3}\n")
    assert problem.path == "mail.version"
    assert "newer" in problem.message
