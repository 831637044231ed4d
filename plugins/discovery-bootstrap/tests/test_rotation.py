"""The order of rounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance_discovery_bootstrap.rotation import Rotation

names = st.lists(st.text("abcdef", min_size=1, max_size=3), unique=True, max_size=8)


@given(names, st.integers(0, 20), st.booleans())
def test_every_round_has_everybody_once(listed: list[str], rounds: int, moving: bool) -> None:
    rotation = Rotation(moving=moving)
    for _ in range(rounds):
        assert sorted(rotation.round(listed)) == sorted(listed)


@given(names.filter(bool))
def test_everybody_is_first_within_a_lap(listed: list[str]) -> None:
    rotation = Rotation()
    assert {rotation.round(listed)[0] for _ in listed} == set(listed)


def test_who_failed_comes_last_once() -> None:
    rotation = Rotation(moving=False)
    rotation.round("abc")
    rotation.failed("a")
    assert rotation.round("abc") == list("bca")
    assert rotation.round("abc") == list("abc")


def test_the_list_may_change_between_rounds() -> None:
    rotation = Rotation()
    rotation.round("abcd")
    rotation.round("abcd")
    assert rotation.round("xy") == list("xy")
