"""Which steps bring this host's programs to ask the node, and which undo that: on a file of every kind."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from appliance.api.planning import Action, HostState, Step
from appliance.api.profile import Names, Profile
from appliance.api.profile_mesh import Mesh
from appliance.errors import PlanError
from appliance.planning.diff import plan
from appliance.planning.ledger import Ledger
from appliance.planning.naming import left_behind, naming, reverse_zones, steps
from appliance.planning.resolv_conf import ours
from appliance.planning.revert import refuse_irreversible
from appliance.planning.simulate import after
from tests.netns.profiles import profile

WAS, NEW = "nameserver 192.0.2.1\n", "nameserver 9.9.9.9\n"
OURS = ours(WAS, "llp0", "10.8.0.1", "home")


def named(**names: Any) -> Profile:
    return profile().model_copy(update={"names": Names.model_validate({"label": "home", **names})})


def host(text: str | None, obstacle: str = "", links: tuple[str, ...] = ()) -> HostState:
    return HostState(resolver={"text": text, "obstacle": obstacle}, links={name: {"tun": None} for name in links})


def written(wanted: Profile, observed: HostState, applied: tuple[Step, ...] = ()) -> list[tuple[str | None, str | None]]:
    """What each step makes of the file, and its undo."""
    return [(one.do.args["text"], one.undo.args["text"]) for one in steps(wanted, observed, Ledger.of(applied))]


def applied(text: str | None = WAS) -> tuple[Step, ...]:
    return tuple(steps(named(), host(text), Ledger()))


@pytest.mark.parametrize(
    ("wanted", "text", "before", "expected"),
    [
        (named(), WAS, (), [(OURS, WAS)]),
        (named(), None, (), [(ours("", "llp0", "10.8.0.1", "home"), None)]),
        (named(), OURS, applied(), []),
        (named(), OURS, (), [(OURS, WAS)]),  # the journal is gone, as after a power cut
        (named(label="other"), OURS, applied(), [(ours(WAS, "llp0", "10.8.0.1", "other"), OURS)]),
        (named(), NEW, applied(), [(ours(NEW, "llp0", "10.8.0.1", "home"), NEW)]),
        (named(), ours(WAS, "gone0", "10.9.0.1", "x"), (), [(OURS, WAS)]),
        (named(host="off"), OURS, applied(), [(WAS, OURS)]),
        (profile(), OURS, applied(), [(WAS, OURS)]),
        (profile(), OURS, (), [(WAS, OURS)]),
        (profile(), WAS, (), []),
        (profile(), ours(WAS, "llp7", "10.9.0.1", "x"), (), []),
    ],
    ids=[
        *("fresh", "no file", "as wanted", "after a power cut", "label", "rewritten", "of a node that is gone", "off"),
        *("not any more", "left behind", "nothing to do", "another node's"),
    ],
)
def test_steps(
    wanted: Profile, text: str | None, before: tuple[Step, ...], expected: list[tuple[str | None, str | None]]
) -> None:
    observed = host(text)
    assert written(wanted, observed, before) == expected


def test_a_network_of_members_has_names_unless_its_profile_has_others() -> None:
    mesh = Mesh.model_validate({"network": "llpn1:" + "a" * 52, "label": "work"})
    found = naming(profile().model_copy(update={"mesh": mesh}))
    assert found is not None
    assert (found.label, str(found.address), found.told) == ("work", "10.8.0.1", True)
    other = naming(named().model_copy(update={"mesh": mesh}))
    assert other is not None
    assert other.label == "home"
    unborn = profile().model_copy(update={"mesh": mesh, "network": profile().network.model_copy(update={"addresses": ()})})
    assert naming(unborn) is None, "it has no certificate yet"
    assert naming(profile()) is None


def test_resolved_is_told_where_programs_ask_it_and_nothing_else_is_touched() -> None:
    silent = {"link": "llp0", "servers": [], "domains": []}
    observed = HostState(resolver={"text": "nameserver 127.0.0.53\n", "obstacle": "it is a symbolic link", "resolved": silent})
    [step] = steps(named(), observed, Ledger())
    assert step.do.args == {
        "link": "llp0",
        "servers": ["10.8.0.1"],
        "domains": ["home", "~0.8.10.in-addr.arpa", "~0.0.0.0.0.0.0.0.8.0.0.0.0.0.d.f.ip6.arpa"],
    }
    assert step.undo.args == silent
    assert step.summary == "name server 10.8.0.1 on llp0 in systemd-resolved, for home"
    told = after(observed, [step.do])
    assert list(steps(named(), told, Ledger.of([step]))) == []
    [back] = steps(profile(), told, Ledger.of([step]))
    assert back.do.args == silent
    assert list(steps(named(host="off"), observed, Ledger())) == []
    assert after(told, [Action("link.delete", {"name": "llp0"})]).resolver["resolved"] == silent


def test_who_insists_on_resolved_hears_that_programs_do_not_ask_it() -> None:
    with pytest.raises(PlanError, match="does not lead to systemd-resolved"):
        plan(named(host="resolved"), host(WAS))


@pytest.mark.parametrize(
    ("network", "zones"),
    [
        ("10.8.0.0/16", ["8.10.in-addr.arpa"]),
        ("10.8.0.0/23", ["0.8.10.in-addr.arpa", "1.8.10.in-addr.arpa"]),
        ("10.8.0.1/32", ["0.8.10.in-addr.arpa"]),
        ("fd00::/8", ["d.f.ip6.arpa"]),
        ("fd00::/7", ["c.f.ip6.arpa", "d.f.ip6.arpa"]),
    ],
)
def test_reverse_zones(network: str, zones: list[str]) -> None:
    assert reverse_zones([ipaddress.ip_network(network, strict=False)]) == zones


def test_the_undo_leaves_alone_what_somebody_else_wrote_since() -> None:
    [step] = applied()
    then = host(NEW)
    assert after(then, [step.undo]).resolver["text"] == NEW
    assert after(host(OURS), [step.undo]).resolver["text"] == WAS


def test_a_plan_with_names_can_be_undone_and_is_empty_when_done() -> None:
    observed = host(WAS)
    made = plan(named(), observed)
    refuse_irreversible(made, observed)
    done = after(observed, [one.do for one in made.steps])
    assert [one.summary for one in made.steps][-1] == "name server 10.8.0.1 in /etc/resolv.conf, for home and all else"
    assert plan(named(), done, applied=made.steps).steps == ()


def test_an_obstacle_is_said_and_refused_where_the_profile_insists() -> None:
    observed = host(WAS, "/etc/resolv.conf is a symbolic link to elsewhere")
    made = plan(named(), observed)
    assert not any(one.do.verb == "resolv_conf.write" for one in made.steps)
    assert any("symbolic link to elsewhere" in warning and "appliance ping" in warning for warning in made.warnings)
    with pytest.raises(PlanError, match="symbolic link"):
        plan(named(host="file"), observed)


@pytest.mark.parametrize("wanted", [named(), named(host="off"), profile()])
def test_a_file_of_another_network_namespace_is_not_even_put_right(wanted: Profile) -> None:
    observed = host(OURS, "it is the whole machine's")
    assert written(wanted, observed) == []
    assert list(left_behind(observed)) == []


def test_what_outlived_its_journal_is_put_right() -> None:
    [step] = left_behind(host(OURS))
    assert step.do.args["text"] == WAS
    assert list(left_behind(host(OURS, links=("llp0",)))) == [], "its node may run"
    assert list(left_behind(host(WAS))) == []


def test_without_its_loopback_a_host_would_ask_nobody() -> None:
    down = HostState(resolver={"text": WAS, "obstacle": ""}, links={"lo": {"up": False, "tun": None}})
    assert written(named(), down) == []
    with pytest.raises(PlanError, match="lo is down"):
        plan(named(host="file"), down)
    assert written(named(), HostState(resolver=down.resolver, links={"lo": {"up": True, "tun": None}})) == [(OURS, WAS)]
    fallen = HostState(resolver={"text": OURS, "obstacle": ""}, links=down.links)
    assert written(named(), fallen, applied()) == [(WAS, OURS)], "it asks as before, until the loopback is back"


def test_while_no_node_runs_nobody_is_told_to_ask_it() -> None:
    assert list(steps(named(host="file"), host(WAS), Ledger(), answered=False)) == []
    assert "appliance run" in plan(named(host="file"), host(WAS), answered=False).warnings[-1]
    [back] = steps(named(), host(OURS), Ledger.of(applied()), answered=False)
    assert back.do.args["text"] == WAS, "and what a killed one left is taken back"


def test_two_nodes_cannot_both_answer_a_host() -> None:
    observed = host(ours(WAS, "llp7", "10.9.0.1", "work"), links=("llp7",))
    with pytest.raises(PlanError, match="leads to the node on llp7 already"):
        plan(named(host="file"), observed)
