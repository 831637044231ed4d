"""The model of the kernel that plans are judged by, against the kernel itself."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.planning import Action, HostState, Plan
from appliance.api.profile import Profile
from appliance.linux.actions import perform, verify
from appliance.linux.netlink import Netlink
from appliance.linux.observe import observe
from appliance.planning.diff import plan
from appliance.planning.facts import fact
from appliance.planning.ledger import Ledger
from appliance.planning.revert import essence, revert
from appliance.planning.simulate import after
from appliance.planning.wanted import wanted
from tests.netns.profiles import profile, rich
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


async def do(profile: Profile, plan_: Plan) -> HostState:
    async with Netlink() as netlink:
        for step in plan_.steps:
            await perform(step.do, netlink)
            assert await verify(step.verify, netlink), step.summary
        return await observe(wanted(profile, Ledger()), netlink)


async def look(profile: Profile) -> HostState:
    async with Netlink() as netlink:
        return await observe(wanted(profile, Ledger()), netlink)


def comparable(state: HostState) -> dict[str, Any]:
    """The settings of an interface that a plan makes are not modelled."""
    seen = essence(state)
    seen["settings"] = {key: value for key, value in seen["settings"].items() if "llp0" not in key}
    for link in seen["links"].values():
        link.pop("address")
    return seen


@pytest.mark.parametrize("wanted_profile", [profile(), rich()], ids=["smallest", "rich"])
def test_the_model_foresees_what_the_kernel_shows(namespace: Throwaway, wanted_profile: Profile) -> None:
    namespace.sh(
        "ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0"
    )
    before = namespace.run(look, wanted_profile)
    forth = plan(wanted_profile, before)

    applied = namespace.run(do, wanted_profile, forth)
    assert comparable(applied) == comparable(after(before, [step.do for step in forth.steps]))

    restored = namespace.run(do, wanted_profile, revert(forth))
    assert comparable(restored) == comparable(before)


@pytest.mark.parametrize("verb", ["address.remove", "route.remove", "rule.remove", "link.delete", "nft.replace"])
def test_taking_away_what_is_not_there_is_no_error(namespace: Throwaway, verb: str) -> None:
    args = {
        "address.remove": {"link": "llp0", "address": "10.8.0.1/24"},
        "route.remove": {"destination": "10.9.0.0/16", "via": None, "link": "llp0", "table": 254, "metric": 0, "protocol": 76},
        "rule.remove": {"family": 4, "priority": 9, "from": None, "to": None, "fwmark": 7, "table": 100, "protocol": 76},
        "link.delete": {"name": "llp0"},
        "nft.replace": {"table": "inet appliance", "ruleset": None},
    }

    async def twice() -> bool:
        action = Action(verb, args[verb])
        async with Netlink() as netlink:
            await perform(action, netlink)
            await perform(action, netlink)
            return await verify(fact(action), netlink)

    assert namespace.run(twice)
