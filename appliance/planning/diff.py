"""Desired × observed → plan. Removals come first, then the interface, its addresses, the firewall, settings, routes and rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.api.planning import Action, HostState, Plan, Step
from appliance.api.profile import Profile
from appliance.planning import own
from appliance.planning.clashes import refuse_clashes, refuse_loops
from appliance.planning.desired import Desired, desired
from appliance.planning.ledger import Ledger
from appliance.planning.reachability import Connection, cut_off
from appliance.planning.revert import step
from appliance.planning.ruleset import same
from appliance.planning.simulate import FORWARDING_SWITCHES, after

ROUTE_KEYS = ("destination", "via", "link", "table", "metric", "protocol")
RULE_KEYS = ("family", "priority", "from", "to", "fwmark", "table", "protocol")


def plan(
    profile: Profile,
    observed: HostState,
    *,
    admin_address: str | None = None,
    applied: Sequence[Step] = (),
    further: Sequence[Step] = (),
) -> Plan:
    """The steps that make the host `observed` be as `profile` says; none when it is so already.

    `admin_address` is the address the admin's session comes from, or the value of SSH_CONNECTION. `applied` are the steps of
    earlier plans that are in force, `further` steps of plugins, done last. Raises PlanError when the host does not allow it.
    """
    wanted = desired(profile, observed)
    ledger = Ledger.of(applied)
    leaving = ledger.created - {wanted.link["name"]}
    refuse_clashes(profile, wanted, observed, leaving)
    steps = (*_changes(wanted, observed, ledger, leaving), *further)
    future = after(observed, [one.do for one in steps])
    refuse_loops(profile, future)
    connection = Connection.parse(admin_address) if admin_address else None
    return Plan(steps, wanted.warnings, cut_off(observed, future, connection) if connection else "")


def undo_cuts_off(steps: Sequence[Step], observed: HostState, admin_address: str | None) -> str:
    """Why the admin's session would not survive the undoing of `steps`, "" when it would."""
    connection = Connection.parse(admin_address) if admin_address else None
    return cut_off(observed, after(observed, [one.undo for one in reversed(steps)]), connection) if connection else ""


def _changes(wanted: Desired, observed: HostState, ledger: Ledger, leaving: frozenset[str]) -> Iterator[Step]:
    name = wanted.link["name"]
    yield from _removals(wanted, observed, leaving)
    for link in sorted(leaving & set(observed.links)):
        yield from _remove_link(link, observed)
    yield from _link(wanted.link, observed)
    link_settings = {key: value for key, value in wanted.sysctls.items() if own.default_sysctl(key, name) != key}
    yield from _settings(link_settings, wanted, observed)
    have = {address["address"] for address in observed.addresses if address["link"] == name}
    for address in wanted.addresses:
        if address not in have:
            yield _pair("address", {"link": name, "address": address})
    yield from _table(wanted, observed)
    yield from _settings({key: value for key, value in wanted.sysctls.items() if key not in link_settings}, wanted, observed)
    yield from _restored_settings(wanted, observed, ledger)
    for noun, keys, entries, present in (
        ("route", ROUTE_KEYS, wanted.routes, observed.routes),
        ("rule", RULE_KEYS, wanted.rules, observed.rules),
    ):
        there = [_pick(entry, keys) for entry in present]
        for entry in entries:
            if _pick(entry, keys) not in there:
                yield _pair(noun, dict(entry))


def _removals(wanted: Desired, observed: HostState, leaving: frozenset[str]) -> Iterator[Step]:
    """Rules, routes and addresses of ours that the profile has no more. Known by our protocol number, and by our interface."""
    for noun, keys, entries, present in (
        ("rule", RULE_KEYS, wanted.rules, observed.rules),
        ("route", ROUTE_KEYS, wanted.routes, observed.routes),
    ):
        kept = [_pick(entry, keys) for entry in entries]
        for entry in present:
            if entry["protocol"] == own.ROUTE_PROTOCOL and _pick(entry, keys) not in kept:
                yield _pair(noun, _pick(entry, keys), add=False)
    for address in observed.addresses:
        ours = address["link"] in leaving or address["link"] == wanted.link["name"]
        stays = address["link"] == wanted.link["name"] and address["address"] in wanted.addresses
        if ours and not stays and not ipaddress.ip_interface(address["address"]).is_link_local:
            yield _pair("address", {"link": address["link"], "address": address["address"]}, add=False)


def _remove_link(name: str, observed: HostState) -> Iterator[Step]:
    link = observed.links[name]
    now = {key: link[key] for key in own.TUN_DEFAULTS}
    yield from _set_link(name, now, own.TUN_DEFAULTS)
    yield step(Action("link.delete", {"name": name}), Action("tun.create", {"name": name}))


def _link(wanted: Mapping[str, Any], observed: HostState) -> Iterator[Step]:
    name = wanted["name"]
    link = observed.links.get(name)
    if link is None:
        yield step(Action("tun.create", {"name": name}), Action("link.delete", {"name": name}))
    yield from _set_link(name, link or own.TUN_DEFAULTS, own.without(dict(wanted), "name"))


def _set_link(name: str, now: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Step]:
    change = {key: value for key, value in wanted.items() if now[key] != value}
    if change:
        before = {key: now[key] for key in change}
        yield step(Action("link.set", {"name": name, **change}), Action("link.set", {"name": name, **before}))


def _settings(settings: Mapping[str, str], wanted: Desired, observed: HostState) -> Iterator[Step]:
    for key, value in settings.items():
        now = observed.sysctls.get(key, observed.sysctls.get(own.default_sysctl(key, wanted.link["name"]), ""))
        if now != value:
            yield step(Action("sysctl.set", {"key": key, "value": value}), _put_back(key, now, observed))


def _put_back(key: str, value: str, observed: HostState) -> Action:
    """Bring a setting back to `value`, and what the kernel changes with it to what was observed."""
    args: dict[str, Any] = {"key": key, "value": value}
    if key in FORWARDING_SWITCHES:
        family = FORWARDING_SWITCHES[key]
        others = {
            other: now
            for other, now in observed.sysctls.items()
            if other.replace("/", ".").startswith(family) and other.endswith("forwarding") and other != key and now != value
        }
        redirects = "net.ipv4.conf.all.accept_redirects"
        if key.startswith("net.ipv4.") and observed.sysctls.get(redirects, "1") != ("0" if value == "1" else "1"):
            others[redirects] = observed.sysctls[redirects]
        if others:
            args["then"] = [[other, now] for other, now in sorted(others.items())]
    return Action("sysctl.set", args)


def _restored_settings(wanted: Desired, observed: HostState, ledger: Ledger) -> Iterator[Step]:
    for key, original in ledger.originals.items():
        now = observed.sysctls.get(key)
        if key not in wanted.sysctls and now is not None and now != original.args["value"]:
            yield step(original, _put_back(key, now, observed))


def _table(wanted: Desired, observed: HostState) -> Iterator[Step]:
    now = observed.tables.get(own.TABLE)
    if not same(now, wanted.table):
        yield step(
            Action("nft.replace", {"table": own.TABLE, "ruleset": wanted.table}),
            Action("nft.replace", {"table": own.TABLE, "ruleset": now}),
        )


def _pair(noun: str, args: Mapping[str, Any], *, add: bool = True) -> Step:
    there, gone = Action(f"{noun}.add", args), Action(f"{noun}.remove", args)
    return step(there, gone) if add else step(gone, there)


def _pick(entry: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: entry.get(key) for key in keys}
