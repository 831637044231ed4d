"""What a running node will do to have another list of plugins, as sentences for the admin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.plugin_host.facts import PluginFact

NEW_WORKERS = frozenset({"transport", "suite"})
"""Families whose code the workers import before they give up their privileges."""


def consequences(running: Sequence[Mapping[str, Any]], wanted: Sequence[PluginFact]) -> list[str]:
    """`running` are the facts of the node's plugins, `wanted` those of the plugins that a profile names, loaded here."""
    return [*_coming(running, wanted), *_going(running, wanted)]


def _coming(running: Sequence[Mapping[str, Any]], wanted: Sequence[PluginFact]) -> Iterator[str]:
    loaded = {fact["name"] for fact in running if fact["state"] != "failed"}
    for fact in wanted:
        if fact.name in loaded:
            continue
        if fact.state == "failed":
            yield f"plugin {fact.name} cannot be loaded, and the node refuses the profile: {fact.problem}"
            continue
        said = f"plugin {fact.name} is loaded: {', '.join(fact.provides) or 'hooks only'}"
        if any(entry.partition(" ")[0] in NEW_WORKERS for entry in fact.provides):
            said += "; the workers start anew for it: about a second without traffic, and new keys for all sessions"
        yield said


def _going(running: Sequence[Mapping[str, Any]], wanted: Sequence[PluginFact]) -> Iterator[str]:
    names = {fact.name for fact in wanted}
    for fact in running:
        if fact["name"] in names:
            continue
        if fact["state"] == "failed":
            yield f"plugin {fact['name']} is left out; it did not work"
        else:
            what = ", ".join(fact["provides"]) or "its hooks"
            yield f"plugin {fact['name']} is left out: {what} end; its code stays in memory until the node is restarted"
