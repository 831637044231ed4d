from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from appliance.profile import LoadedProfile, starter

Load = Callable[..., LoadedProfile]


@pytest.mark.parametrize("name", ["appliance", "office-gw", "no", "7up", "null"])
def test_the_starter_is_valid_as_it_is(read: Load, name: str) -> None:
    assert read(starter(name)).profile.name == name


def test_its_commented_example_is_valid_too(read: Load) -> None:
    uncommented = re.sub(r"^#(?=peers:|  )", "", starter(), flags=re.MULTILINE)
    profile = read(uncommented).profile
    assert [peer.name for peer in profile.peers] == ["laptop"]


def test_lines_fit_a_terminal() -> None:
    assert max(map(len, starter("a" * 32).splitlines())) <= 130
