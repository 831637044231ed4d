"""The nftables table `inet appliance`, and those of plugins, as libnftables' JSON.

Each rule's comment carries a digest of the rule, and whether a table is as wanted is judged by chains and comments alone: how a
rule's expressions are printed differs between nft versions.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.api.values import Network

Ruleset = list[dict[str, Any]]

FORWARD_PRIORITY = 0  # "filter"
POSTROUTING_PRIORITY = 100  # "srcnat"


def ruleset(table: str, interface: str, *, masquerade: Sequence[Network], clamp_mss: bool) -> Ruleset:
    """`table` as it is on a host that forwards between `interface` and others.

    Connections from and to the overlay pass. Packets with sources in `masquerade` leave under this host's own address. The MSS of
    forwarded connections is lowered to what both ways carry.
    """
    incoming = match({"meta": {"key": "iifname"}}, interface)
    outgoing = match({"meta": {"key": "oifname"}}, interface)
    place = place_of(table)
    entries: Ruleset = [{"table": {"family": place["family"], "name": place["table"]}}]
    if not (masquerade or clamp_mss):
        return entries
    forward: list[list[dict[str, Any]]] = []
    if clamp_mss:
        forward += [[side, _SYN, _CLAMP] for side in (incoming, outgoing)]
    forward += [[side, {"accept": None}] for side in (incoming, outgoing)]
    elsewhere = match({"meta": {"key": "oifname"}}, interface, operator="!=")
    entries.append(chain(place, "forward", "filter", FORWARD_PRIORITY))
    if masquerade:
        entries.append(chain(place, "postrouting", "nat", POSTROUTING_PRIORITY))
    entries += [rule(place, "forward", expressions) for expressions in forward]
    entries += [rule(place, "postrouting", [elsewhere, _source(prefix), {"masquerade": None}]) for prefix in masquerade]
    return entries


def place_of(table: str) -> dict[str, str]:
    """Where the entries of a table are."""
    family, name = table.split()
    return {"family": family, "table": name}


OF_PLUGINS = frozenset({"chain", "rule", "set", "map", "counter", "quota", "limit"})
"""Kinds of entries that the table of a plugin may have."""
MOST_COMMENT_BYTES = 128
"""NFTNL_UDATA_COMMENT_MAXLEN"""


def plugins_table(table: str, entries: Sequence[Any]) -> Ruleset:
    """The whole table of a plugin from its entries. Raises ValueError or TypeError with what is wrong with them.

    The comment of each rule carries a digest of the whole table, so that a set with other elements is noticed too.
    """
    from hashlib import sha256  # with OpenSSL: 4 MB that a host without such tables does not pay

    family, name = table.split()
    digest = sha256(json.dumps([table, [*entries]], sort_keys=True).encode()).hexdigest()[:12]
    made: Ruleset = [{"table": {"family": family, "name": name}}]
    for entry in entries:
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise ValueError(f"an entry is an object with one key, not {str(entry)[:40]!r}")
        [(kind, body)] = entry.items()
        if kind not in OF_PLUGINS or not isinstance(body, Mapping):
            raise ValueError(f"{kind!r} is none of {', '.join(sorted(OF_PLUGINS))}")
        name_key = "chain" if kind == "rule" else "name"
        if not isinstance(body.get(name_key), str):
            raise TypeError(f"a {kind} needs its {name_key}")
        filled = {**body, "family": family, "table": name}
        if kind == "chain" and "hook" in body:
            if type(body.get("prio")) is not int:
                raise ValueError(f"the chain {body.get('name')!r} needs a prio, which is a whole number")
            filled.setdefault("policy", "accept")
        if kind == "rule":
            filled["comment"] = _cut(f"appliance {digest} {body.get('comment', '')}".rstrip())
        made.append({kind: filled})
    return made


def _cut(comment: str) -> str:
    return comment.encode()[: MOST_COMMENT_BYTES - 1].decode(errors="ignore")


def same(observed: Sequence[Mapping[str, Any]] | None, wanted: Sequence[Mapping[str, Any]] | None) -> bool:
    """Are two tables the same? Chains, rules and their order are compared."""
    if observed is None or wanted is None:
        return observed is wanted
    return _essence(observed) == _essence(wanted)


def _essence(entries: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[Any]]:
    chains = [
        tuple(entry["chain"].get(key) for key in ("name", "type", "hook", "prio", "policy"))
        for entry in entries
        if "chain" in entry
    ]
    rules = [
        (entry["rule"]["chain"], entry["rule"].get("comment") or json.dumps(entry["rule"].get("expr"), sort_keys=True))
        for entry in entries
        if "rule" in entry
    ]
    others = [
        (kind, str(body.get("name")) if isinstance(body, Mapping) else "")
        for entry in entries
        for kind, body in entry.items()
        if kind not in {"table", "chain", "rule"}
    ]
    return [*sorted(chains, key=str), *sorted(others)], sorted(rules, key=lambda each: str(each[0]))


def match(left: dict[str, Any], right: Any, *, operator: str = "==") -> dict[str, Any]:
    """What is to the left of it must be so."""
    return {"match": {"op": operator, "left": left, "right": right}}


_SYN = match({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["syn", "rst"]]}, "syn")
_CLAMP = {"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": {"rt": {"key": "mtu"}}}}


def _source(prefix: Network) -> dict[str, Any]:
    protocol = "ip" if isinstance(prefix, ipaddress.IPv4Network) else "ip6"
    right: Any = {"prefix": {"addr": str(prefix.network_address), "len": prefix.prefixlen}}
    return match({"payload": {"protocol": protocol, "field": "saddr"}}, right)


def chain(place: Mapping[str, str], name: str, kind: str, priority: int, hook: str = "") -> dict[str, Any]:
    """A base chain; named after its hook if no `hook` is given."""
    return {"chain": {**place, "name": name, "type": kind, "hook": hook or name, "prio": priority, "policy": "accept"}}


def rule(place: Mapping[str, str], chain: str, expressions: list[dict[str, Any]]) -> dict[str, Any]:
    """A rule of the core's table, with a digest of itself as its comment."""
    from hashlib import sha256  # with OpenSSL: 4 MB that a host without rules of ours does not pay

    digest = sha256(json.dumps([chain, expressions], sort_keys=True).encode()).hexdigest()[:12]
    return {"rule": {**place, "chain": chain, "comment": f"appliance {digest}", "expr": expressions}}
