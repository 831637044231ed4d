"""The vocabulary of host changes: what was observed, and steps with do, undo and verify as plain data.

Actions are data (a verb and JSON-able arguments), so that a plan can be printed, diffed and journalled, and undone by another
process after a crash. The verbs and their arguments are the table in `docs/plan.md`; `appliance.linux.actions` performs them.

A plugin says what it wants to be so (`Setting`, `NftTable`); the core makes steps of that and knows how to take them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Action:
    """One deed on the host: `verb` ("address.add") and its JSON-able `args`."""

    verb: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One change. `summary` is a line for the admin. `undo` brings back what was observed before; `verify` names facts that the
    host must show afterwards (in the form of an Action whose verb is a noun: "address", "route", …, with `present` in args)."""

    summary: str
    do: Action
    undo: Action
    verify: Action
    plugin: str = ""
    """The plugin that wants it; "": the core does."""


class Setting(NamedTuple):
    """A plugin wants the kernel setting `key`, as sysctl(8) writes it below "net.", to have `value` (blanks single).

    The key must be one of those that `appliance_observe` named. Not for a plugin: settings of the node's own interface, and the
    kernel's forwarding switches, which change other settings along.
    """

    key: str
    value: str


class NftTable(NamedTuple):
    """A plugin wants its nftables table, `inet appliance-PLUGIN`, to consist of these `entries`, in this order.

    Each entry is one object of libnftables' JSON (libnftables-json(5)): {"chain": {…}}, {"rule": {…}}, {"set": {…}},
    {"map": {…}}, {"counter": {…}}, {"quota": {…}} or {"limit": {…}}. The core fills in `family` and `table`, so a plugin can
    touch no other table. A base chain has a `prio` in numbers. At most 256 KiB of JSON.
    """

    entries: Sequence[Mapping[str, Any]]


Wish = Setting | NftTable


@dataclass(frozen=True, slots=True)
class HostState:
    """What `appliance.linux.observe` read from the kernel in one go, as plain JSON-able mappings.

    links: name -> {index, kind, mtu, up, address, gso_max_size, tx_queue_len, tun: {owner, group, queues…} | None}
    addresses: [{link, address: "10.8.0.1/24", scope}]
    routes: [{destination, via, link, table, metric, protocol, source, type}]
    rules: [{priority, from, to, iif, oif, fwmark, table, family}]
    sysctls: "net.ipv4.ip_forward" -> value, only the keys asked for that this kernel has
    tables: nftables tables, "inet appliance" -> the ruleset as libnftables' JSON without handles, only the core's
        and plugins' own
    ruleset: all of nftables as libnftables' JSON, only where the profile listens or forwards
    tools: which helpers the host has ("nft" -> path)
    cores: how many of the host's cores this process may use
    """

    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    addresses: Sequence[Mapping[str, Any]] = ()
    routes: Sequence[Mapping[str, Any]] = ()
    rules: Sequence[Mapping[str, Any]] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    cores: int = 1
    ruleset: Sequence[Mapping[str, Any]] = ()


class Advice(NamedTuple):
    """Something that a plan does not refuse and an admin should know. `code` is a section of docs/troubleshooting.md, `todo` what
    to do about it."""

    code: str
    finding: str
    todo: str

    def __str__(self) -> str:
        return f"{self.finding}; {self.todo}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order they are done; undone in reverse. An empty plan means that the host is as the profile says.

    `warnings` are sentences for the admin; `advice` are those of them that say what to do. `cuts_off` names the login or API
    session (local address of the admin's connection) that would not survive, or is empty.
    """

    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    cuts_off: str = ""
    advice: tuple[Advice, ...] = ()
