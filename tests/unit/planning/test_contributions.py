"""What plugins want of a host becomes steps, and is taken back when nobody wants it any more."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.planning import HostState, NftTable, Plan, Setting, Step, Wish
from appliance.api.profile import Profile
from appliance.errors import ApplianceError, PlanError, PluginFault
from appliance.planning import own
from appliance.planning.contributions import Contributions, Held, asked_settings, table_of
from appliance.planning.diff import plan
from appliance.planning.render import render, step_from_json, step_to_json
from appliance.planning.revert import refuse_irreversible, revert
from appliance.planning.simulate import after

OBSERVED = json.loads((Path(__file__).parents[2] / "plans/unchanged/observed.json").read_text())
BACKLOG, PROBING = "net.core.netdev_max_backlog", "net.ipv4.tcp_mtu_probing"
CHAIN = {"chain": {"name": "input", "type": "filter", "hook": "input", "prio": 0}}
DROP: dict[str, Any] = {"rule": {"chain": "input", "expr": [{"drop": None}]}}
TABLE = "inet appliance_guard"


class Story:
    """A host, the plans that were carried out on it, and what plugins want."""

    def __init__(self) -> None:
        self.host = dataclasses.replace(
            HostState(**{key: value for key, value in OBSERVED.items() if key in HostState.__dataclass_fields__}),
            tools={"nft": "/usr/sbin/nft"},
        )
        self.host = dataclasses.replace(self.host, sysctls={**self.host.sysctls, BACKLOG: "1000", PROBING: "0"})
        self.applied: list[Step] = []
        self.asked = (BACKLOG, PROBING)
        self.sysctls: dict[str, str] = {}
        self.apply()
        self.beginning = self.host
        self.applied.clear()

    def plan(self, kept: frozenset[str] = frozenset(), **wishes: Sequence[Wish]) -> Plan:
        profile = Profile.model_validate(
            {"profile": 1, "network": {"addresses": ["10.8.0.1/24"], "masquerade": [], "sysctls": self.sysctls}}
        )
        asked = dict.fromkeys(wishes, self.asked)
        given = Contributions(Held.of(self.applied), asked, wishes, kept)
        made = plan(profile, self.host, applied=self.applied, contributions=given)
        refuse_irreversible(made, self.host)
        return made

    def apply(self, kept: frozenset[str] = frozenset(), **wishes: Sequence[Wish]) -> list[str]:
        """Carry a plan out; its lines."""
        made = self.plan(kept, **wishes)
        self.host = after(self.host, [step.do for step in made.steps])
        self.applied += [step_from_json(json.loads(json.dumps(step_to_json(step)))) for step in made.steps]
        return [step.summary for step in made.steps]

    def roll_back(self) -> None:
        self.host = after(self.host, [step.undo for step in reversed(self.applied)])
        self.applied.clear()


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_a_plugin_wants_is_done_once(story: Story) -> None:
    wishes = [Setting(BACKLOG, "5000"), NftTable([CHAIN, DROP])]
    done = story.apply(guard=wishes)
    assert done == [f"setting {BACKLOG} = 5000 (plugin guard)", f"nftables table {TABLE} with 1 rules (plugin guard)"]
    assert story.host.sysctls[BACKLOG] == "5000"
    assert story.apply(guard=wishes) == []


def test_what_a_plugin_wants_no_more_is_taken_back_to_what_was_there_first(story: Story) -> None:
    story.apply(guard=[Setting(BACKLOG, "5000"), NftTable([CHAIN])])
    story.apply(guard=[Setting(BACKLOG, "6000"), NftTable([CHAIN, DROP])])
    story.apply(guard=[Setting(PROBING, "1")])
    assert (story.host.sysctls[BACKLOG], story.host.sysctls[PROBING]) == ("1000", "1")
    assert TABLE not in story.host.tables
    story.roll_back()
    assert story.host == story.beginning


def test_a_plugin_that_left_leaves_nothing(story: Story) -> None:
    story.apply(guard=[Setting(BACKLOG, "5000"), NftTable([CHAIN])])
    assert story.apply() == [f"setting {BACKLOG} = 1000 (plugin guard)", f"nftables table {TABLE} (plugin guard)"]
    assert story.host == story.beginning
    assert story.apply() == []


def test_what_was_done_for_a_plugin_that_cannot_be_loaded_stays(story: Story) -> None:
    story.apply(guard=[NftTable([CHAIN, DROP])])
    assert story.apply(frozenset({"guard"})) == []
    assert TABLE in story.host.tables


def test_a_plugin_sees_the_host_without_what_plugins_changed(story: Story) -> None:
    before = Held.of(story.applied).without(story.host)
    story.apply(guard=[Setting(BACKLOG, "5000"), NftTable([CHAIN])])
    seen = Held.of(story.applied).without(story.host)
    assert seen.sysctls[BACKLOG] == "1000"
    assert TABLE not in seen.tables
    assert seen == before


def test_what_somebody_else_changed_is_brought_back(story: Story) -> None:
    wishes = [Setting(BACKLOG, "5000"), NftTable([CHAIN, DROP])]
    story.apply(guard=wishes)
    story.host = dataclasses.replace(story.host, sysctls=story.host.sysctls | {BACKLOG: "1"}, tables={})
    assert len(story.apply(guard=wishes)) == 2
    story.roll_back()
    assert story.host == story.beginning


def test_a_setting_passes_from_the_profile_to_a_plugin_and_back(story: Story) -> None:
    story.sysctls = {BACKLOG: "2000"}
    story.apply()
    story.sysctls = {}
    story.apply(guard=[Setting(BACKLOG, "5000")])
    assert story.host.sysctls[BACKLOG] == "5000"
    assert story.apply(guard=[Setting(BACKLOG, "5000")]) == []
    story.sysctls = {BACKLOG: "2000"}
    story.apply()
    assert story.host.sysctls[BACKLOG] == "2000"
    assert story.apply() == []
    story.sysctls = {}
    story.apply()
    assert story.host == story.beginning


def test_a_set_with_other_elements_is_another_table(story: Story) -> None:
    def table(*elements: str) -> NftTable:
        bad = {"set": {"name": "bad", "type": "ipv4_addr", "elem": list(elements)}}
        return NftTable([bad, CHAIN, DROP])

    story.apply(guard=[table("192.0.2.1")])
    assert story.apply(guard=[table("192.0.2.1")]) == []
    assert len(story.apply(guard=[table("192.0.2.2")])) == 1


def test_a_plan_and_its_revert_name_the_plugin(story: Story) -> None:
    made = story.plan(guard=[Setting(BACKLOG, "5000")])
    assert [step.plugin for step in (*made.steps, *revert(made).steps)] == ["guard", "guard"]
    assert f"  ~ setting {BACKLOG} = 5000 (plugin guard) (was 1000)" in render(made)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Setting("net.core.somaxconn", "1"), "does not name"),
        (Setting("net.ipv4.ip_forward", "1"), "not a plugin's"),
        (Setting("net.ipv4.conf.llp0.rp_filter", "1"), "not a plugin's"),
        (Setting("net.ipv6.conf.all.accept_ra", "1"), "not a plugin's"),
        (Setting("net.ipv4.conf.default.rp_filter", "1"), "not a plugin's"),
        (Setting(BACKLOG, "1\n2"), "no value"),
        (Setting(BACKLOG, ""), "no value"),
        (NftTable([{"table": {"name": "other"}}]), "none of"),
        (NftTable([{"chain": {}, "rule": {}}]), "one key"),
        (NftTable(["chain"]), "one key"),  # type: ignore[list-item]
        (NftTable(None), "not acceptable"),  # type: ignore[arg-type]
        (NftTable([{"rule": {"expr": []}}]), "needs its chain"),
        (NftTable([{"set": {"type": "ipv4_addr"}}]), "needs its name"),
        (NftTable([{"chain": {"name": "x", "hook": "input", "type": "filter", "prio": "filter"}}]), "whole number"),
        (NftTable([{"rule": {"chain": "x", "expr": object()}}]), "not acceptable"),
        (NftTable([{"rule": {"chain": "x", "expr": ["y" * 300_000]}}]), "longer than"),
    ],
)
def test_what_no_plugin_may_have_is_its_fault(story: Story, wish: Wish, words: str) -> None:
    story.asked = (BACKLOG, *([wish.key] if isinstance(wish, Setting) and wish.key != "net.core.somaxconn" else []))
    with pytest.raises(PluginFault, match=words) as fault:
        story.plan(guard=[wish])
    assert fault.value.plugin == "guard"


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"guard": [Setting(BACKLOG, "1")], "other": [Setting(BACKLOG, "2")]}, "plugins guard and other"),
        ({"guard": [Setting("net.core.no_such", "1")]}, "no setting net.core.no_such"),
        ({"guard": [Setting(PROBING, "2")]}, "the profile 1"),
    ],
)
def test_wishes_that_cannot_come_true_are_refused(story: Story, wishes: Mapping[str, Sequence[Wish]], words: str) -> None:
    story.sysctls = {PROBING: "1"}
    story.asked = (BACKLOG, PROBING, "net.core.no_such")
    with pytest.raises(PlanError, match=words):
        story.plan(**wishes)


def test_without_the_command_nft_there_is_no_table(story: Story) -> None:
    story.host = dataclasses.replace(story.host, tools={})
    with pytest.raises(PlanError, match="nft is not here"):
        story.plan(guard=[NftTable([CHAIN])])


def test_plugins_that_want_the_same_agree(story: Story) -> None:
    story.apply(guard=[Setting(BACKLOG, "5000")], other=[Setting(BACKLOG, "5000")])
    assert story.host.sysctls[BACKLOG] == "5000"
    assert story.apply(other=[Setting(BACKLOG, "5000")]) == []


def test_a_table_can_name_no_other(story: Story) -> None:
    story.apply(guard=[NftTable([{"chain": {"name": "x", "family": "ip", "table": "nat"}}])])
    assert story.host.tables[TABLE][1] == {"chain": {"name": "x", "family": "inet", "table": "appliance_guard"}}


@pytest.mark.parametrize("key", ["kernel.hostname", "net", "net.core/../../kernel", "net.core.x y", ""])
def test_only_settings_below_net_are_looked_at(key: str) -> None:
    with pytest.raises(ApplianceError, match="no setting below net"):
        list(asked_settings({"guard": [key]}))


@pytest.mark.parametrize(
    ("plugin", "core", "table"),
    [
        ("guard", "inet appliance", "inet appliance_guard"),
        ("b", own.Owner.of("a").table, "inet appliance.a_b"),
        ("my guard;", "inet appliance", "inet appliance_my_20guard_3b"),
    ],
)
def test_a_table_is_named_after_its_plugin_and_its_node(plugin: str, core: str, table: str) -> None:
    assert table_of(plugin, core) == table
    assert table_of(plugin, core) != own.Owner.of("a-b").table


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
SOME = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))
BODY = st.dictionaries(st.sampled_from(["name", "chain", "type", "hook", "prio", "policy", "comment", "expr", "table"]), SOME)
ENTRY = st.dictionaries(st.sampled_from(["chain", "rule", "set", "table"]), BODY | SOME, min_size=1, max_size=2)


@given(st.lists(ENTRY | SOME, max_size=4), st.text(max_size=12), SOME)
def test_whatever_a_plugin_wants_is_planned_and_undone_or_is_its_fault(entries: list[Any], key: str, value: Any) -> None:
    story = Story()
    for wish in (NftTable(entries), Setting(BACKLOG, value), Setting(key, "1")):
        try:
            story.apply(guard=[wish])
        except PluginFault:
            continue
        assert story.apply(guard=[wish]) == []
        story.roll_back()
        assert story.host == story.beginning
