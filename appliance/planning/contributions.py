"""What plugins want of a host, made into steps of a plan. Pure.

A plugin names what should be so. Here that becomes steps with an undo, by comparing it with the host; and what an earlier plan
did for a plugin that does not want it any more, or is gone, becomes steps that take it back. The journal's steps are the memory:
each names its plugin, and the first undo of a thing is how it was before anybody touched it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from appliance.api.planning import Action, HostState, NftTable, Step, Wish
from appliance.api.profile import Profile
from appliance.api.values import Problem
from appliance.errors import PlanError, PluginFault
from appliance.planning import own
from appliance.planning.revert import step
from appliance.planning.ruleset import plugins_table, same
from appliance.planning.simulate import FORWARDING_SWITCHES, after

MOST_TABLE_BYTES = 256 * 1024
"""Of a plugin's table as JSON: it is written to the journal, and again with each change."""
NO_WORD = re.compile(r"[^A-Za-z0-9_.-]")
"""What a name of nftables cannot have."""
KEY = re.compile(r"net([./][A-Za-z0-9_@:.-]+)+")
VALUE = re.compile(r"[\x21-\x7e]+( [\x21-\x7e]+)*")
MOST_VALUE = 256
OF_ALL_LINKS = re.compile(r"net\.ipv[46]\.(conf|neigh)\.(all|default)\.")
"""Settings that change those of the node's own interface along."""

Thing = tuple[str, str]
"""("sysctl.set", key) or ("nft.replace", table): what a plugin's step can change."""


class Contributors(Protocol):
    """The plugins that a plan asks. `observe` and `plan` raise PluginFault, because half a plan is no plan."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those that may want something."""

    @property
    def kept(self) -> frozenset[str]:
        """Plugins that should be here and could not be loaded: what was done for them stays as it is."""

    def observe(self, profile: Profile) -> Mapping[str, Sequence[str]]:
        """Plugin to the settings it wants to see; each plugin that may have wishes is in it."""

    def check(self, profile: Profile, observed: HostState) -> Sequence[Problem]:
        """What plugins find wrong with the profile on this host."""

    def plan(self, profile: Profile, observed: HostState) -> Mapping[str, Sequence[Wish]]:
        """Plugin to all that it wants."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the steps in force did for plugins."""

    by: Mapping[Thing, str] = field(default_factory=dict)
    """The plugin of each thing."""
    before: Mapping[Thing, Action] = field(default_factory=dict)
    """For each thing, the action that brings back what was there before anybody changed it."""

    @classmethod
    def of(cls, applied: Sequence[Step]) -> Held:
        """Sum up the steps in force, oldest first. A thing belongs to whoever changed it last."""
        by: dict[Thing, str] = {}
        before: dict[Thing, Action] = {}
        for one in applied:
            thing = _thing(one.do)
            if thing is not None:
                by[thing] = one.plugin
                before.setdefault(thing, one.undo)
        return cls({thing: plugin for thing, plugin in by.items() if plugin}, before)

    def things(self, verb: str) -> tuple[str, ...]:
        """The settings ("sysctl.set") or tables ("nft.replace") among them."""
        return tuple(name for kind, name in self.by if kind == verb)

    def without(self, observed: HostState) -> HostState:
        """The host as it would be, had no plugin changed it."""
        return after(observed, [self.before[thing] for thing in self.by]) if self.by else observed


@dataclass(frozen=True, slots=True)
class Contributions:
    """What plugins add to one plan."""

    held: Held = Held()
    asked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Plugin to the settings that it wanted to see."""
    wishes: Mapping[str, Sequence[Wish]] = field(default_factory=dict)
    """Plugin to what it wants."""
    kept: frozenset[str] = frozenset()
    """Plugins that could not be loaded: what was done for them stays as it is."""
    core_table: str = own.TABLE
    """The node's own nftables table."""


def table_of(plugin: str, core: str) -> str:
    """The name of a plugin's nftables table; `core` is that of the node's own. No name of an instance has a "_", so no node has
    a table of another's plugin."""
    return f"{core}_{NO_WORD.sub(_in_hex, plugin)}"


def _in_hex(odd: re.Match[str]) -> str:
    return "".join(f"_{byte:02x}" for byte in odd[0].encode())


def canonical(key: str) -> str:
    """A setting's key in the one form in which it is compared: with slashes only where an interface's name has a dot."""
    parts = key.split("/" if "/" in key else ".")
    return ("/" if any("." in part for part in parts) else ".").join(parts)


def asked_settings(asked: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The settings to be observed for plugins. Raises PluginFault for what is none below net."""
    for plugin, keys in asked.items():
        for key in keys:
            if not KEY.fullmatch(key) or ".." in key:
                raise PluginFault(plugin, f"appliance_observe gave {key!r}, which is no setting below net.")
            yield canonical(key)


def refuse_unfit(problems: Sequence[Problem]) -> None:
    """Raises PlanError with all that plugins find wrong with a profile on a host."""
    if problems:
        said = "; ".join(f"{problem.path}: {problem.message}" for problem in problems)
        raise PlanError(said, hint="; ".join(dict.fromkeys(problem.hint for problem in problems if problem.hint)))


def further_steps(
    given: Contributions, core: Mapping[str, str], interface: str, observed: HostState, future: HostState
) -> Iterator[Step]:
    """The plugins' steps. `core` are the settings that the profile itself wants, `future` is the host after the core's own steps.

    Raises PlanError for wishes that cannot all come true, PluginFault for those that no plugin may have.
    """
    wanted: dict[Thing, tuple[str, Any]] = {}
    for plugin, wishes in given.wishes.items():
        for wish in wishes:
            thing, value = _judged(plugin, wish, given, interface, observed)
            other, before = wanted.setdefault(thing, (plugin, value))
            if before != value:
                raise PlanError(
                    f"plugins {other} and {plugin} want {thing[1]} to be {_short(before)} and {_short(value)}",
                    hint="disable one of the two",
                )
            if core.get(thing[1], value) != value:
                raise PlanError(
                    f"plugin {plugin} wants {thing[1]} to be {_short(value)}, the profile {_short(core[thing[1]])}",
                    hint="take it out of network.sysctls, or disable the plugin",
                )
    for thing, plugin in given.held.by.items():
        if thing not in wanted and plugin not in given.kept and thing[1] not in core:
            yield from _step(thing, _value(given.held.before[thing]), plugin, future)
    for thing, (plugin, value) in wanted.items():
        if thing[1] not in core:
            yield from _step(thing, value, plugin, future)


def _judged(plugin: str, wish: Wish, given: Contributions, interface: str, observed: HostState) -> tuple[Thing, Any]:
    """What a wish is about, and the value it is to have."""
    if isinstance(wish, NftTable):
        table = table_of(plugin, given.core_table)
        return ("nft.replace", table), _table(plugin, table, wish, observed)
    key, value = canonical(str(wish.key)), str(wish.value)
    if key not in map(canonical, given.asked.get(plugin, ())):
        raise PluginFault(plugin, f"it wants to set {key!r}, which its appliance_observe does not name")
    if key in FORWARDING_SWITCHES:
        raise PluginFault(plugin, f"{key} is not a plugin's to set", hint="network.forward and network.masquerade are for that")
    if own.sysctl_link(key) == interface or OF_ALL_LINKS.match(key):
        raise PluginFault(plugin, f"{key} is not a plugin's to set", hint="network.sysctls of the profile can")
    if not VALUE.fullmatch(value) or len(value) > MOST_VALUE:
        raise PluginFault(plugin, f"{value[:40]!r} is no value for {key}: words with single blanks between them")
    if key not in observed.sysctls:
        raise PlanError(f"this kernel has no setting {key}, which plugin {plugin} wants", hint="disable the plugin")
    return ("sysctl.set", key), value


def _table(plugin: str, table: str, wish: NftTable, observed: HostState) -> list[dict[str, Any]]:
    try:
        ruleset = plugins_table(table, wish.entries)
        size = len(json.dumps(ruleset))
    except (ValueError, TypeError, RecursionError) as error:
        raise PluginFault(plugin, f"its nftables table is not acceptable: {error}") from error
    if size > MOST_TABLE_BYTES:
        raise PluginFault(plugin, f"its nftables table is longer than {MOST_TABLE_BYTES >> 10} KiB")
    if "nft" not in observed.tools:
        raise PlanError(
            f"plugin {plugin} wants an nftables table, and the command nft is not here",
            hint="install the package nftables, or disable the plugin",
        )
    return ruleset


def _step(thing: Thing, value: Any, plugin: str, host: HostState) -> Iterator[Step]:
    verb, name = thing
    if verb == "sysctl.set":
        now = host.sysctls.get(name)
        if now is not None and now != value:
            yield step(_set(name, value), _set(name, now), plugin)
    elif not same(host.tables.get(name), value):
        yield step(_replace(name, value), _replace(name, host.tables.get(name)), plugin)


def _set(key: str, value: str) -> Action:
    return Action("sysctl.set", {"key": key, "value": value})


def _replace(table: str, ruleset: Any) -> Action:
    return Action("nft.replace", {"table": table, "ruleset": ruleset})


def _thing(action: Action) -> Thing | None:
    match action.verb:
        case "sysctl.set":
            return action.verb, canonical(action.args["key"])
        case "nft.replace":
            return action.verb, action.args["table"]
        case _:
            return None


def _value(action: Action) -> Any:
    return action.args["value"] if action.verb == "sysctl.set" else action.args["ruleset"]


def _short(value: Any) -> str:
    return value if isinstance(value, str) else "another table"
