"""Which way packets leave a host, before and after a plan: the guard that keeps an admin from cutting off their own session.

The look-up is the kernel's: rules by priority, then the longest prefix and the lowest metric of a table. A rule that depends on
more than addresses and mark (on incoming interfaces) counts as one that does not match.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

from appliance.api.planning import HostState
from appliance.planning import own

ALL_BITS = 0xFFFFFFFF
UNICAST = frozenset({"unicast", "local", "broadcast", "anycast"})
DEFAULT_RULES: tuple[dict[str, Any], ...] = tuple(
    {"priority": priority, "table": table, "action": "lookup", "family": version}
    for version in (4, 6)
    for priority, table in ((0, own.LOCAL_TABLE), (32766, own.MAIN_TABLE))
)


class Connection(NamedTuple):
    """An admin's connection to this host: the addresses of both ends."""

    remote: str
    local: str = ""
    """Empty if it is not known."""

    @classmethod
    def parse(cls, text: str) -> Connection | None:
        """Read an address, or what sshd puts into SSH_CONNECTION ("198.51.100.9 50000 192.0.2.1 22"). None if it is neither."""
        words = text.split()
        if len(words) not in {1, 4}:
            return None
        try:
            return cls(*(str(ipaddress.ip_address(word.partition("%")[0])) for word in words[::2]))
        except ValueError:
            return None


class Way(NamedTuple):
    """How a packet leaves this host."""

    link: str
    """The interface; empty if it does not leave."""
    via: str
    """The gateway, empty if there is none. If the packet does not leave: the reason."""

    def __str__(self) -> str:
        if not self.link:
            return f"nowhere ({self.via})"
        return f"over {self.link}" + (f" via {self.via}" if self.via else "")


class Ways:
    """The ways out of a host. Made once for many questions: for each one it looks once at each length of prefix."""

    def __init__(self, state: HostState) -> None:
        self._rules = {version: _rules(state, version) for version in (4, 6)}
        self._tables: dict[tuple[int, int], dict[int, dict[int, Mapping[str, Any]]]] = {}
        for route in state.routes:
            self._enter(route)

    def to(self, remote: str, local: str = "", mark: int = 0) -> Way:
        """The way to `remote` of packets with `mark` from `local` (empty: not known)."""
        address = ipaddress.ip_address(remote)
        for rule in self._rules[address.version]:
            if rule.get("action") == "lookup" and _applies(rule, remote, local, mark):
                found = self._lookup(rule["table"], address, rule.get("suppress_prefixlength"))
                if found is not None:
                    return found
        return Way("", "no route")

    def _enter(self, route: Mapping[str, Any]) -> None:
        """Of two routes to one network the one with the lower metric counts, or else the first."""
        network = ipaddress.ip_network(route["destination"], strict=False)
        alike = self._tables.setdefault((network.version, route["table"]), {}).setdefault(network.prefixlen, {})
        there = alike.setdefault(int(network.network_address), route)
        if route["metric"] < there["metric"]:
            alike[int(network.network_address)] = route

    def _lookup(self, table: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address, suppress: int | None) -> Way | None:
        by_length = self._tables.get((address.version, table), {})
        for length in sorted(by_length, reverse=True):
            host_bits = address.max_prefixlen - length
            route = by_length[length].get(int(address) >> host_bits << host_bits)
            if route is not None:
                found = _way(route)
                # A route that refuses is an answer, whatever its length: the kernel suppresses only what leads somewhere.
                short = suppress is not None and length <= suppress
                return None if short and found is not None and found.link else found
        return None


def way(state: HostState, remote: str, local: str = "", mark: int = 0) -> Way:
    """One question to `Ways`."""
    return Ways(state).to(remote, local, mark)


def _rules(state: HostState, version: int) -> list[Mapping[str, Any]]:
    rules: list[Mapping[str, Any]] = [rule for rule in state.rules if rule["family"] == version]
    return sorted(rules or [rule for rule in DEFAULT_RULES if rule["family"] == version], key=lambda rule: int(rule["priority"]))


def cut_off(before: HostState, after: HostState, connection: Connection) -> str:
    """Why `connection` would not survive the change; "" if it would."""
    old, new = way(before, *connection), way(after, *connection)
    if connection.local and _is_own(before, connection.local) and not _is_own(after, connection.local):
        return f"{connection.remote}: this host would lose the address {connection.local}"
    if old != new:
        return f"{connection.remote}: packets to it would leave {new} instead of {old}"
    return ""


def _is_own(state: HostState, address: str) -> bool:
    return any(entry["address"].partition("/")[0] == address for entry in state.addresses)


def _applies(rule: dict[str, Any] | Any, remote: str, local: str, mark: int) -> bool:
    if rule.get("oif") or rule.get("iif") not in {None, "lo"}:
        return False
    marked = (rule.get("fwmark") or 0) == mark & (rule.get("fwmask") or (ALL_BITS if rule.get("fwmark") else 0))
    matches = marked and all(
        not rule.get(key) or (bool(address) and ipaddress.ip_address(address) in ipaddress.ip_network(rule[key], strict=False))
        for key, address in (("to", remote), ("from", local))
    )
    return matches != bool(rule.get("invert"))


def _way(route: dict[str, Any] | Any) -> Way | None:
    if route["type"] == "throw":
        return None
    if route["type"] not in UNICAST:
        return Way("", route["type"])
    if hops := route.get("hops"):
        return Way(", ".join(str(link) for link, _ in hops), ", ".join(str(via or "") for _, via in hops))
    return Way(route["link"] or "", route["via"] or "")
