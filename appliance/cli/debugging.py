"""`appliance debug …`: where a running node spends its time, and what it holds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.cli.parser import UsageError, seconds_of
from appliance.cli.terminal import Terminal, table
from appliance.control import client
from appliance.errors import ExitCode

SHOWN = 20
"""Lines of a table for people."""
LONGER = 30.0
"""Seconds that the answer may take beyond those that are asked for."""


def profile(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print which functions the time goes into; write the stacks to a file if one is named."""
    asked: dict[str, Any] = {"seconds": seconds_of(arguments.during, "--during")}
    if arguments.worker is not None:
        if not (arguments.worker.isascii() and arguments.worker.isdecimal()):
            raise UsageError(f"--worker: {arguments.worker!r} is not a number", hint="workers are counted from 0")
        asked["worker"] = int(arguments.worker)
    terminal.note(f"looking for {asked['seconds']:g} seconds …")
    found = client.call("debug_profile", asked, timeout=asked["seconds"] + LONGER)
    if arguments.output:
        Path(arguments.output).write_text("".join(f"{line}\n" for line in found["stacks"]))
        terminal.note(f"the stacks are in {arguments.output}: for flamegraph.pl, or https://www.speedscope.app")
    terminal.result(found, profile_text(found))
    return ExitCode.OK


def profile_text(found: Mapping[str, Any]) -> str:
    """The functions that were innermost most often."""
    samples = max(found["samples"], 1)
    rows = [
        (f"{each['self'] / samples:.1%}", f"{each['total'] / samples:.1%}", each["function"])
        for each in found["functions"][:SHOWN]
        if each["self"]
    ]
    head = (
        f"{found['process']}: {found['samples']} samples in {found['seconds']:g} s, {found['cpu_s']:g} s of CPU used; "
        "a stack that waits is counted, too"
    )
    return f"{head}\n{table(('itself', 'with what it calls', 'function'), rows)}"


def memory(_arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print what the node's control process holds."""
    found = client.call("debug_memory", timeout=LONGER)
    terminal.result(found, memory_text(found))
    return ExitCode.OK


def memory_text(found: Mapping[str, Any]) -> str:
    """Memory, descriptors, threads, and the types of which there are most objects."""
    size = "unknown" if found["memory"] is None else f"{found['memory'] / 2**20:.1f} MiB"
    lines = [
        f"{found['process']}: {size} resident, {found['objects']} objects, and {found['frozen']} from its start",
        f"descriptors: {_counts(found['descriptors'])}",
        f"threads: {_counts(found['threads'])}",
    ]
    rows = [(str(each["count"]), each["type"]) for each in found["types"][:SHOWN]]
    return "\n".join([*lines, table(("objects", "type"), rows)])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items(), key=lambda one: -one[1])) or "unknown"
