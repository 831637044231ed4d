"""`appliance hearsay routes` and `appliance hearsay watch`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from appliance.api.management import CliContext, ExitCode, Refused


def routes(context: CliContext) -> int:
    """Show all ways. 1 when there is none."""
    ways = context.daemon.call("hearsay.routes", {"peer": context.arguments["peer"]})
    context.output.result(ways, _shown(context, ways) if ways else "nothing was heard")
    return 0 if ways else 1


def watch(context: CliContext) -> int:
    """Show the ways that are used after each change, `--count` times or until Ctrl-C. With --json that is one list at the end."""
    count = _count(context.arguments["count"])
    seen: list[Any] = []
    with context.daemon.stream("hearsay.changes") as changes:
        for ways in islice(changes, count):
            if context.output.json:
                seen.append(ways)
            else:
                context.output.say(_shown(context, ways) + "\n")
    if context.output.json:
        context.output.document(seen)
    return 0


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise Refused(f"--count {text} is no number", exit_code=ExitCode.INVALID)
    return int(text)


def _shown(context: CliContext, ways: Sequence[Mapping[str, Any]]) -> str:
    rows = [(way["prefix"], way["peer"], str(way["hops"]), "*" if way["used"] else "") for way in ways]
    return context.output.table(("prefix", "peer", "hops", "used"), rows)
