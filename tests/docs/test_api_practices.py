"""docs/api-practices.md: what it counts and names is what the code has."""

from __future__ import annotations

import re

import pytest

from appliance.api.profile_management import ManagementLimits
from appliance.management.iam import tokens
from appliance.management.iam.roles import BUILT_IN
from appliance.management.jobs.events import HEARTBEAT
from appliance.management.operations.row import Row
from appliance.management.operations.table import BY_NAME
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs/api-practices.md").read_text()
TAGS = {name.partition(".")[0] for name in BY_NAME if "." in name}


@pytest.mark.parametrize(
    "said",
    [
        f"good for {tokens.LIFE // 60} minutes",
        f"takes {Row._field_defaults['seconds']:.0f} s unless",
        f"silent for {HEARTBEAT:.0f} s at most",
        f"{ManagementLimits().requests} requests a second",
    ],
)
def test_figures_are_those_of_the_code(said: str) -> None:
    assert said in " ".join(PAGE.split())


def test_operations_and_roles_that_it_names_are_there() -> None:
    named = [each for each in re.findall(r"`([a-z_]+\.[a-z_]+)`", PAGE) if each.partition(".")[0] in TAGS]
    assert len(named) > 5
    assert set(named) <= set(BY_NAME)
    assert {"viewer", "admin"} <= set(BUILT_IN)


def test_links_lead_to_headings() -> None:
    for page, heading in re.findall(r"\]\(([\w-]+\.md)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / page).read_text()
        headings = {
            re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-")
            for each in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert not heading or heading in headings, f"{page}#{heading}"
