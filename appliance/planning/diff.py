"""Desired × observed → plan. First what has to go, then the interface, its addresses, the firewall, settings, routes, rules
and name servers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from appliance.api.planning import Action, HostState, Plan, Step
from appliance.api.profile import Profile
from appliance.planning import naming, own
from appliance.planning.clashes import loops_of_names, refuse_clashes, refuse_loops, refuse_unreachable
from appliance.planning.contributions import Contributions, further_steps
from appliance.planning.desired import Desired, desired
from appliance.planning.firewalls import hindrances
from appliance.planning.ledger import Ledger
from appliance.planning.local_networks import swallowed
from appliance.planning.reachability import Connection, cut_off, way
from appliance.planning.revert import step
from appliance.planning.ruleset import same
from appliance.planning.simulate import FORWARDING_SWITCHES, after

IDENTITY = {"route": (own.route_key, own.route_args), "rule": (own.rule_key, own.rule_args)}
"""By noun: what tells two entries apart, and the arguments of the actions."""


def plan(
    profile: Profile,
    observed: HostState,
    *,
    admin_address: str | None = None,
    applied: Sequence[Step] = (),
    contributions: Contributions | None = None,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
    owner: own.Owner = own.UNNAMED,
    answered: bool = True,
) -> Plan:
    """The steps that make the host `observed` be as `profile` says; none when it is so already.

    `admin_address` is the address the admin's session comes from, or the value of SSH_CONNECTION. `applied` are the steps of
    earlier plans that are in force, `contributions` what plugins want, done last, `names` addresses of names in endpoints,
    `owner` how the node knows its own things. `answered`: a node runs, so that programs of this host may be told to ask it.
    Raises PlanError when the host does not allow it, PluginFault when a plugin wants what it may not have.
    """
    ledger = Ledger.of(applied, owner)
    wanted = desired(profile, observed, ledger)
    leaving = ledger.created - ({wanted.link["name"]} if _fits(wanted, observed) else set())
    removals = tuple(_removals(wanted, observed, ledger, leaving))
    emptied = after(observed, [one.do for one in removals])
    refuse_clashes(profile, wanted, emptied)
    base = observed
    if wanted.link["name"] in leaving:  # it is made anew, and its settings have their first values again
        settings = after(observed, [one.do for one in removals if one.do.verb == "sysctl.set"]).sysctls
        base, leaving = replace(emptied, sysctls=settings), leaving - {wanted.link["name"]}
    no_names = naming.obstacle(profile, observed, ledger, answered=answered)
    naming.refuse_obstacle(profile, no_names)
    steps = (
        *removals,
        *_additions(wanted, base, ledger, leaving, removals),
        *naming.steps(profile, observed, ledger, answered=answered),
    )
    future = after(observed, [one.do for one in steps])
    if contributions is not None:
        further = tuple(further_steps(contributions, wanted.sysctls, wanted.link["name"], observed, future))
        if further:
            steps, future = (*steps, *further), after(future, [one.do for one in further])
    refuse_unreachable(wanted, future)
    refuse_loops(profile, future)
    connection = Connection.parse(admin_address) if admin_address else None
    advice = (
        *loops_of_names(profile, future, names),
        *swallowed(profile, future.addresses),
        *hindrances(profile, observed.ruleset),
    )
    cuts_off = ""
    if admin_address is not None and connection is not None:
        cuts_off = cut_off(observed, future, connection) or _shuts_out(profile, future, connection, admin_address)
    warnings = (*wanted.warnings, *([naming.warning(no_names)] if no_names else ()), *map(str, advice))
    return Plan(steps, warnings, cuts_off, advice)


def _shuts_out(profile: Profile, future: HostState, connection: Connection, admin_address: str) -> str:
    """Why the policy would end the admin's connection; "" if it would not."""
    if profile.policy is None or way(future, *connection).link != profile.network.interface:
        return ""
    from appliance.policy.admin import shut_out

    return shut_out(profile, admin_address)


def _fits(wanted: Desired, observed: HostState) -> bool:
    """Is the interface as the workers need it, or not there? A TUN device is made with one queue or with several, and stays
    so."""
    link = observed.links.get(wanted.link["name"])
    return link is None or link["tun"] is None or bool(link["tun"]["multi_queue"]) is wanted.multi_queue


def undo_cuts_off(steps: Sequence[Step], observed: HostState, admin_address: str | None) -> str:
    """Why the admin's session would not survive it if `steps` were undone; "" if it would."""
    connection = Connection.parse(admin_address) if admin_address else None
    return cut_off(observed, after(observed, [one.undo for one in reversed(steps)]), connection) if connection else ""


def _additions(
    wanted: Desired, observed: HostState, ledger: Ledger, leaving: frozenset[str], removals: Sequence[Step]
) -> Iterator[Step]:
    name = wanted.link["name"]
    lost = set(_lost_with_ipv6(wanted, ledger))
    yield from _restored_settings(observed, ledger, {name}, ledger.originals.keys() - lost)
    yield from _link(wanted, observed)
    link_settings = {key: value for key, value in wanted.sysctls.items() if own.default_sysctl(key, name) != key}
    yield from _settings(link_settings, wanted, observed, ledger)
    have = {address["address"] for address in observed.addresses if address["link"] == name}
    for address in wanted.addresses:
        if address not in have:
            yield _pair("address", {"link": name, "address": address})
    yield from _table(wanted, observed)
    yield from _settings(
        {key: value for key, value in wanted.sysctls.items() if key not in link_settings}, wanted, observed, ledger
    )
    yield from _restored_settings(observed, ledger, {None, *observed.links} - leaving, {*wanted.sysctls, *lost})
    removed = [one.do.args for one in removals]
    routes = [
        *wanted.routes,
        *(args for args in removed if args.get("protocol") != ledger.owner.protocol and args.get("link") == name),
    ]
    yield from _missing("route", [route for route in routes if "destination" in route], observed.routes, removed)
    yield from _missing("rule", wanted.rules, observed.rules, removed)


def _missing(
    noun: str, entries: Sequence[Mapping[str, Any]], present: Sequence[Mapping[str, Any]], removed: Sequence[Mapping[str, Any]]
) -> Iterator[Step]:
    """Add the routes or rules that are not there, or that the removals take away."""
    key, arguments = IDENTITY[noun]
    there = {key(entry) for entry in present} - {key(args) for args in removed}
    for entry in entries:
        if key(entry) not in there:
            yield _pair(noun, arguments(entry))


def _removals(wanted: Desired, observed: HostState, ledger: Ledger, leaving: frozenset[str]) -> Iterator[Step]:
    """Take away our rules, routes, addresses and interfaces that the profile no longer has. Ours are those with our protocol
    number or on our interface."""
    name = wanted.link["name"]
    kept_rules = {own.rule_key(rule) for rule in wanted.rules}
    for rule in observed.rules:
        if rule["protocol"] == ledger.owner.protocol and own.rule_key(rule) not in kept_rules:
            yield _pair("rule", own.rule_args(rule), add=False)
    addresses = [
        address
        for address in observed.addresses
        if (address["link"] in leaving or (address["link"] == name and address["address"] not in wanted.addresses))
        and not own.is_kernels_own(address["address"])
    ]
    emptied = _loses_its_last_ipv4(name, addresses, observed)
    kept_routes = {own.route_key(route) for route in wanted.routes}
    for route in observed.routes:
        flushed = route["link"] in leaving or (emptied and route["link"] == name and ":" not in route["destination"])
        unwanted = route["protocol"] == ledger.owner.protocol and own.route_key(route) not in kept_routes
        if unwanted or (flushed and route["protocol"] != own.KERNEL_PROTOCOL and route["type"] == "unicast"):
            yield _pair("route", own.route_args(route), add=False)
    for address in addresses:
        yield _pair("address", {"link": address["link"], "address": address["address"]}, add=False)
    for link in sorted(leaving & set(observed.links)):
        yield from _restored_settings(observed, ledger, {link}, ())
        yield from _remove_link(link, observed)


def _loses_its_last_ipv4(name: str, going: Sequence[Mapping[str, Any]], observed: HostState) -> bool:
    """An interface that loses its last IPv4 address loses all its IPv4 routes. So they have to be removed and added again."""
    all_of_link = [a["address"] for a in observed.addresses if a["link"] == name and ":" not in a["address"]]
    leaving = [a["address"] for a in going if a["link"] == name and ":" not in a["address"]]
    return bool(all_of_link) and len(all_of_link) == len(leaving)


def _remove_link(name: str, observed: HostState) -> Iterator[Step]:
    link = observed.links[name]
    now = {key: link[key] for key in own.TUN_DEFAULTS}
    yield from _set_link(name, now, own.TUN_DEFAULTS)
    owner = {key: link["tun"][key] for key in own.TUN_OWNER if link["tun"][key] is not None}
    yield step(Action("link.delete", {"name": name}), _create(name, owner, multi_queue=bool(link["tun"]["multi_queue"])))


def _link(wanted: Desired, observed: HostState) -> Iterator[Step]:
    name = wanted.link["name"]
    link = observed.links.get(name)
    if link is None:
        yield step(_create(name, own.TUN_OWNER, multi_queue=wanted.multi_queue), Action("link.delete", {"name": name}))
    else:
        yield from _own(name, link["tun"])
    yield from _set_link(name, link or own.TUN_DEFAULTS, own.without(wanted.link, "name"))


def _create(name: str, owner: Mapping[str, int], *, multi_queue: bool) -> Action:
    return Action("tun.create", {"name": name, **({"multi_queue": True} if multi_queue else {}), **owner})


def _own(name: str, now: Mapping[str, Any]) -> Iterator[Step]:
    """Give a device that was found to root. The kernel cannot take an owner away again: a device that all could open stays
    root's."""
    change = {key: who for key, who in own.TUN_OWNER.items() if now[key] != who and (key == "owner" or now[key] is not None)}
    if change:
        before = {key: who if now[key] is None else now[key] for key, who in change.items()}
        yield step(Action("tun.own", {"name": name, **change}), Action("tun.own", {"name": name, **before}))


def _set_link(name: str, now: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Step]:
    change = {key: value for key, value in wanted.items() if now[key] != value}
    if change:
        before = {key: now[key] for key in change}
        yield step(Action("link.set", {"name": name, **change}), Action("link.set", {"name": name, **before}))


def _settings(settings: Mapping[str, str], wanted: Desired, observed: HostState, ledger: Ledger) -> Iterator[Step]:
    for key, value in settings.items():
        now = observed.sysctls.get(key, observed.sysctls.get(own.default_sysctl(key, wanted.link["name"]), ""))
        if now != value:
            do = Action("sysctl.set", {"key": key, "value": value})
            if (original := ledger.originals.get(key)) and original.args["value"] == value:
                do = original  # with what the kernel had changed along
            yield step(do, _put_back(key, now, observed))


def _put_back(key: str, value: str, observed: HostState) -> Action:
    """Bring a setting back to `value`. What the kernel changes with it is brought back to what was observed."""
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


def _restored_settings(
    observed: HostState, ledger: Ledger, links: Collection[str | None], wanted: Collection[str]
) -> Iterator[Step]:
    """Bring back settings of these `links` that an earlier apply changed and that are no longer `wanted`. (None in `links`:
    settings of all interfaces.)"""
    for key, original in ledger.originals.items():
        now = observed.sysctls.get(key)
        if own.sysctl_link(key) in links and key not in wanted and now is not None and now != original.args["value"]:
            yield step(original, _put_back(key, now, observed))


def _lost_with_ipv6(wanted: Desired, ledger: Ledger) -> Iterator[str]:
    """Settings that an interface does not have while its MTU is too small for IPv6."""
    if wanted.link["mtu"] < own.IPV6_MIN_MTU:
        ours = [key for key in ledger.originals if own.sysctl_link(key) == wanted.link["name"]]
        yield from (key for key in ours if key.startswith(("net.ipv6", "net/ipv6")))


def _table(wanted: Desired, observed: HostState) -> Iterator[Step]:
    now = observed.tables.get(wanted.owner.table)
    if not same(now, wanted.table):
        yield step(
            Action("nft.replace", {"table": wanted.owner.table, "ruleset": wanted.table}),
            Action("nft.replace", {"table": wanted.owner.table, "ruleset": now}),
        )


def _pair(noun: str, args: Mapping[str, Any], *, add: bool = True) -> Step:
    there, gone = Action(f"{noun}.add", args), Action(f"{noun}.remove", args)
    return step(there, gone) if add else step(gone, there)
