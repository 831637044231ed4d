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
    """Something to do on the host, as data."""

    verb: str
    """For example "address.add"; docs/plan.md has all."""
    args: Mapping[str, Any]
    """Its arguments, as plain JSON."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change."""

    summary: str
    """A line for the admin."""
    do: Action
    """The action that changes the host."""
    undo: Action
    """The action that brings back what was observed before."""
    verify: Action
    """What the host must show afterwards: an Action whose verb is a noun ("address", "route", …) with `present` among its
    arguments."""
    plugin: str = ""
    """The plugin that wants it; "": the core does."""


class Setting(NamedTuple):
    """A plugin wants a kernel setting to have this value.

    The key must be one of those that `appliance_observe` named. Settings of the node's own interface are not for plugins, nor are
    the kernel's forwarding switches, which change other settings too.
    """

    key: str
    """As sysctl(8) writes it, below "net."."""
    value: str
    """With single blanks."""


class NftTable(NamedTuple):
    """A plugin wants its nftables table, `inet appliance_PLUGIN`, to consist of these `entries`, in this order.

    Each entry is one object of libnftables' JSON (libnftables-json(5)): {"chain": {…}}, {"rule": {…}}, {"set": {…}},
    {"map": {…}}, {"counter": {…}}, {"quota": {…}} or {"limit": {…}}. The core fills in `family` and `table`, so a plugin can
    touch no other table. A base chain has a `prio` in numbers. At most 256 KiB of JSON.
    """

    entries: Sequence[Mapping[str, Any]]


Wish = Setting | NftTable


@dataclass(frozen=True, slots=True)
class HostState:
    """What `appliance.linux.observe` read from the kernel in one go, as plain JSON."""

    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name -> {index, kind, mtu, up, address, gso_max_size, tx_queue_len, tun: {owner, group, queues…} | None}."""
    addresses: Sequence[Mapping[str, Any]] = ()
    """[{link, address: "10.8.0.1/24", scope}]."""
    routes: Sequence[Mapping[str, Any]] = ()
    """[{destination, via, link, table, metric, protocol, source, type}]."""
    rules: Sequence[Mapping[str, Any]] = ()
    """[{priority, from, to, iif, oif, fwmark, table, family}]."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """"net.ipv4.ip_forward" -> value. Only keys that were asked for and that this kernel has."""
    tables: Mapping[str, Any] = field(default_factory=dict)
    """"inet appliance" -> the nftables table as libnftables' JSON without handles. Only tables of the core and of plugins."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Helper programs that this host has ("nft" -> where it is)."""
    cores: int = 1
    """How many cores this process may use."""
    ruleset: Sequence[Mapping[str, Any]] = ()
    """All of nftables as libnftables' JSON. Only if the profile listens or forwards."""
    resolver: Mapping[str, Any] = field(default_factory=dict)
    """How programs of this host look up names: {text, obstacle, resolved}. `text` is /etc/resolv.conf, one character for each
    byte, None where there is no such file; `obstacle` says why it cannot be changed, "" if it can; `resolved` what
    systemd-resolved was told of the node's interface, {link, servers, domains}, None where programs do not ask that."""


class Advice(NamedTuple):
    """Something that a plan does not refuse, but that an admin should know."""

    code: str
    """A section of docs/troubleshooting.md."""
    finding: str
    """What was found."""
    todo: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.finding}; {self.todo}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps, and what the admin should know about them. Without steps the host is as the profile says."""

    steps: tuple[Step, ...] = ()
    """In the order in which they are done. They are undone in the reverse order."""
    warnings: tuple[str, ...] = ()
    """Sentences for the admin."""
    cuts_off: str = ""
    """Which connection of the admin would not survive, and why; "" if all do."""
    advice: tuple[Advice, ...] = ()
    """Those of the warnings that say what to do."""
