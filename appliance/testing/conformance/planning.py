"""What every plugin does that wants something of the host: the same each time, and nothing that it may not have."""

from __future__ import annotations

import dataclasses

from appliance.api.planning import HostState, Setting, Step
from appliance.api.profile import Profile
from appliance.planning.contributions import Contributions, Contributors, Held, asked_settings
from appliance.planning.diff import plan
from appliance.planning.revert import refuse_irreversible
from appliance.planning.simulate import after
from appliance.testing.conformance.limits import Limited

SETTING = "1"
"""What settings have that `host` does not know."""


class PlanConformance(Limited):
    """Subclass it, name the subclass Test…, and return your plugin's hooks (`PluginHost.plan`), a profile, and a host."""

    def hooks(self) -> Contributors:
        """The plugin's hooks."""
        raise NotImplementedError

    def subject(self) -> str:
        """The plugin."""
        return f"plan of {', '.join(self.hooks().names)}"

    def profile(self) -> Profile:
        """A profile in which the plugin wants something."""
        return Profile.model_validate({"profile": 1, "network": {"addresses": ["10.8.0.1/24"]}})

    def host(self) -> HostState:
        """The host. Settings that the plugin asks for and this does not have are "1"."""
        return HostState(tools={"nft": "/usr/sbin/nft"})

    def observed(self) -> HostState:
        """The host, with all settings that the plugin asks for."""
        host = self.host()
        asked = dict.fromkeys(asked_settings(self.hooks().observe(self.profile())), SETTING)
        return dataclasses.replace(host, sysctls=asked | dict(host.sysctls))

    def contributions(self, observed: HostState, applied: tuple[Step, ...] = ()) -> Contributions:
        """What the plugin has to do with a plan for this host."""
        hooks, held = self.hooks(), Held.of(applied)
        return Contributions(held, hooks.observe(self.profile()), hooks.plan(self.profile(), held.without(observed)))

    def test_it_wants_the_same_each_time(self) -> None:
        observed = self.observed()
        assert self.contributions(observed) == self.contributions(observed), "the same arguments, and other wishes"

    def test_it_asks_for_what_it_sets(self) -> None:
        given = self.contributions(self.observed())
        for plugin, wishes in given.wishes.items():
            asked = given.asked[plugin]
            assert {wish.key for wish in wishes if isinstance(wish, Setting)} <= set(asked)

    def test_a_plan_can_be_made_and_undone(self) -> None:
        observed = self.observed()
        made = plan(self.profile(), observed, contributions=self.contributions(observed))
        refuse_irreversible(made, observed)

    def test_what_was_applied_is_not_planned_again(self) -> None:
        observed = self.observed()
        first = plan(self.profile(), observed, contributions=self.contributions(observed))
        then = after(observed, [step.do for step in first.steps])
        again = plan(self.profile(), then, applied=first.steps, contributions=self.contributions(then, first.steps))
        assert not [step.summary for step in again.steps if step.plugin]
