"""A small model of the kernel: the host after an action. It lets a plan be judged before anything is done.

Modelled: interfaces, addresses with the routes the kernel makes for them, routes, rules, settings with forwarding's side effects,
nftables tables, /etc/resolv.conf and systemd-resolved. Link-local addresses and multicast are not.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from appliance.api.planning import Action, HostState
from appliance.planning import own

FORWARDING_SWITCHES = {
    "net.ipv4.ip_forward": "net.ipv4.conf.",
    "net.ipv4.conf.all.forwarding": "net.ipv4.conf.",
    "net.ipv6.conf.all.forwarding": "net.ipv6.conf.",
}
"""Settings with which the kernel changes many others: those that begin so and end with "forwarding"."""


def after(state: HostState, actions: Iterable[Action]) -> HostState:
    """The host as it will be once `actions` were performed on `state`. KeyError if a verb is not one of ours."""
    host = _Host.of(state)
    for action in actions:
        _VERBS[action.verb](host, action.args)
    return host.freeze(state)


Entry = dict[str, Any]
Entries = dict[tuple[Any, ...], list[Entry]]
"""By what tells entries apart, so that no step of a plan has to look at all of them."""


@dataclass(slots=True)
class _Host:
    links: dict[str, dict[str, Any]]
    addresses: Entries
    routes: Entries
    rules: Entries
    sysctls: dict[str, str]
    tables: dict[str, Any]
    resolver: dict[str, Any]
    met: frozenset[str]

    @classmethod
    def of(cls, state: HostState) -> _Host:
        return cls(
            {name: dict(link) for name, link in state.links.items()},
            _by(_address_key, state.addresses),
            _by(own.route_key, state.routes),
            _by(own.rule_key, state.rules),
            dict(state.sysctls),
            dict(state.tables),
            dict(state.resolver),
            frozenset(state.links),
        )

    def freeze(self, state: HostState) -> HostState:
        sysctls = {key: value for key, value in self.sysctls.items() if own.sysctl_link(key) in {None, *self.links}}
        addresses, routes, rules = map(_flat, (self.addresses, self.routes, self.rules))
        return replace(
            state,
            links=self.links,
            addresses=addresses,
            routes=routes,
            rules=rules,
            sysctls=sysctls,
            tables=self.tables,
            resolver=self.resolver,
        )


def _by(key: Callable[[Mapping[str, Any]], tuple[Any, ...]], entries: Iterable[Mapping[str, Any]]) -> Entries:
    found: Entries = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(dict(entry))
    return found


def _flat(entries: Entries) -> list[Entry]:
    return [entry for alike in entries.values() for entry in alike]


def _address_key(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return entry["link"], entry["address"]


def _elsewhere(entries: Entries, link: str) -> Entries:
    kept = {key: [entry for entry in alike if entry["link"] != link] for key, alike in entries.items()}
    return {key: alike for key, alike in kept.items() if alike}


def _create(host: _Host, args: Mapping[str, Any]) -> None:
    tun = {
        "type": "tun", "persist": True, "vnet_hdr": True, "pi": False, "multi_queue": bool(args.get("multi_queue")),
        "owner": args.get("owner"), "group": args.get("group"), "queues": 0,
    }  # fmt: skip
    host.links.setdefault(args["name"], {"index": 0, "kind": "tun", "address": "", **own.TUN_DEFAULTS, "tun": tun})
    if args["name"] not in host.met:  # else removed and made again: its settings were set back before
        _give_settings(host, args["name"], (4, 6))


def _give_settings(host: _Host, link: str, versions: tuple[int, ...]) -> None:
    """Give an interface that is new, or that gets another IP version, the settings of new interfaces."""
    for key, value in list(host.sysctls.items()):
        family, _, leaf = key.partition(".conf.default.")
        if leaf and int(family[-1]) in versions:
            host.sysctls.setdefault(own.link_sysctl(int(family[-1]), link, leaf), value)


def _own(host: _Host, args: Mapping[str, Any]) -> None:
    link = host.links[args["name"]]
    link["tun"] = link["tun"] | own.without(dict(args), "name")


def _set_link(host: _Host, args: Mapping[str, Any]) -> None:
    name = args["name"]
    before = host.links[name]["mtu"]
    host.links[name] |= own.without(dict(args), "name")
    if before < own.IPV6_MIN_MTU <= host.links[name]["mtu"]:
        _give_settings(host, name, (6,))
    elif host.links[name]["mtu"] < own.IPV6_MIN_MTU:
        for key in [key for key in host.sysctls if own.sysctl_link(key) == name and key.startswith(("net.ipv6", "net/ipv6"))]:
            del host.sysctls[key]


def _delete(host: _Host, args: Mapping[str, Any]) -> None:
    host.links.pop(args["name"], None)
    if (host.resolver.get("resolved") or {}).get("link") == args["name"]:  # it forgets what was said of a link with the link
        host.resolver["resolved"] = {"link": args["name"], "servers": [], "domains": []}
    host.addresses = _elsewhere(host.addresses, args["name"])
    host.routes = _elsewhere(host.routes, args["name"])


def _add_address(host: _Host, args: Mapping[str, Any]) -> None:
    address = {"link": args["link"], "address": args["address"], "scope": "global"}
    host.addresses.setdefault(_address_key(args), [address])
    for route in connected_routes(args["link"], args["address"]):
        host.routes.setdefault(own.route_key(route), [route])


def _remove_address(host: _Host, args: Mapping[str, Any]) -> None:
    host.addresses.pop(_address_key(args), None)
    kept = [route for link, address in host.addresses for route in connected_routes(link, address)]  # an interface has few
    for route in connected_routes(args["link"], args["address"]):
        if route not in kept:
            host.routes.pop(own.route_key(route), None)


def connected_routes(link: str, text: str) -> list[dict[str, Any]]:
    """The routes that the kernel makes for an address: one to its network, and one that says the address is this host's."""
    address = ipaddress.ip_interface(text)
    common = {"via": None, "link": link, "protocol": own.KERNEL_PROTOCOL, "source": None}
    metric = own.connected_metric(address.version)
    network = {"destination": str(address.network), "table": own.MAIN_TABLE, "metric": metric, "type": "unicast", **common}
    local = {
        "destination": f"{address.ip}/{address.max_prefixlen}",
        "table": own.LOCAL_TABLE,
        "metric": 0,
        "type": "local",
        **common,
    }
    return [local] if address.version == 4 and address.network.prefixlen == address.max_prefixlen else [network, local]


def _add_route(host: _Host, args: Mapping[str, Any]) -> None:
    host.routes.setdefault(own.route_key(args), [{"type": "unicast", **args, "source": None}])


def _remove_route(host: _Host, args: Mapping[str, Any]) -> None:
    host.routes.pop(own.route_key(args), None)


def _add_rule(host: _Host, args: Mapping[str, Any]) -> None:
    host.rules.setdefault(own.rule_key(args), [{**own.rule_args(args), "iif": None, "oif": None, "action": "lookup"}])


def _remove_rule(host: _Host, args: Mapping[str, Any]) -> None:
    host.rules.pop(own.rule_key(args), None)


def _set_sysctl(host: _Host, args: Mapping[str, Any]) -> None:
    key, value = args["key"], args["value"]
    if key in FORWARDING_SWITCHES and host.sysctls.get(key) != value:
        for other in [name for name in host.sysctls if name.replace("/", ".").startswith(FORWARDING_SWITCHES[key])]:
            if other.endswith("forwarding"):
                host.sysctls[other] = value
        if key.startswith("net.ipv4."):
            host.sysctls["net.ipv4.conf.all.accept_redirects"] = "0" if value == "1" else "1"
    host.sysctls[key] = value
    host.sysctls |= {other: given for other, given in args.get("then", ()) if other in host.sysctls}


def _replace_table(host: _Host, args: Mapping[str, Any]) -> None:
    if args["ruleset"] is None:
        host.tables.pop(args["table"], None)
    else:
        host.tables[args["table"]] = args["ruleset"]


def _write_resolv_conf(host: _Host, args: Mapping[str, Any]) -> None:
    if host.resolver.get("text") == args["over"]:
        host.resolver["text"] = args["text"]


def _set_resolved(host: _Host, args: Mapping[str, Any]) -> None:
    host.resolver["resolved"] = dict(args)


_VERBS: dict[str, Callable[[_Host, Mapping[str, Any]], None]] = {
    "tun.create": _create,
    "tun.own": _own,
    "link.set": _set_link,
    "link.delete": _delete,
    "address.add": _add_address,
    "address.remove": _remove_address,
    "route.add": _add_route,
    "route.remove": _remove_route,
    "rule.add": _add_rule,
    "rule.remove": _remove_rule,
    "sysctl.set": _set_sysctl,
    "nft.replace": _replace_table,
    "resolv_conf.write": _write_resolv_conf,
    "resolved.set": _set_resolved,
}
