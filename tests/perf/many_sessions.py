#!/usr/bin/env python3
"""What many sessions cost a node: time and CPU of their handshakes, memory, descriptors, and what they use when idle (root only).

usage: .venv/bin/python -m tests.perf.many_sessions [--sessions N] [--peers M] [--transport udp|tcp] [--idle SECONDS] [--reload]
       [--endpoints] [--json]

`--sessions 100 --idle 600` is what the bar for idle CPU asks for. `--sessions 1 --peers 2000 --endpoints --reload` measures a
plan, a start until the first session, and a reload with so many peers, of which each has an endpoint where nobody answers.

The callers are `Node`s over real sockets in one process of another namespace; the machine does both sides' cryptography, so the
handshakes a second here are what two sides reach together, and `node CPU ms` is what the node alone needs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.rigs.crowded import Crowded, Usage

MIB = 1 << 20
ROOM_BYTES = 115_000
"""Memory that a session may take: 115 MB for a thousand of them, above the idle node."""
BASE_AND_MIB_A_SESSION = 50
"""MiB of resident memory in all, besides one for each session."""
IDLE_SESSIONS, IDLE_PERCENT = 100, 2.0
"""That many idle sessions may cost that much of two cores."""
HANDSHAKES = 200.0
"""A second."""
PEERS, PLAN, FIRST_SESSION, RELOAD = 2000, 1.5, 4.0, 2.0
"""With so many configured peers, seconds."""
MANY_PEERS, LONG_PLAN = 10_000, 5.0
RESPONSIVE_PEERS = 1000
"""With so many peers the control loop's turns stay below 50 ms."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--peers", type=int, default=0, help="configured peers in all")
    parser.add_argument("--transport", choices=("udp", "tcp"), default="udp")
    parser.add_argument("--idle", type=float, default=0.0, metavar="SECONDS", help="how long to watch the idle sessions")
    parser.add_argument("--reload", action="store_true", help="take a peer away and bring it back")
    parser.add_argument("--endpoints", action="store_true", help="each peer has an endpoint")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options)
    print(json.dumps(figures, indent=1) if options.json else table(figures))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    more = ", endpoints: ['udp://198.18.0.9:8443']" if options.endpoints else ""
    with Crowded(folder, sessions=options.sessions, peers=options.peers, transport=options.transport, more=more) as crowded:
        time.sleep(1)
        before, late = crowded.usage(), crowded.status()["loop"]["late_turns"]
        figures: dict[str, Any] = {
            "sessions": options.sessions,
            "peers": crowded.peers,
            "transport": options.transport,
            "start_s": round(crowded.start_seconds, 3),
            "start_cpu_s": round(used({}, before), 3),
            "before": shown(before),
        }
        made = crowded.connect()
        right_after = crowded.usage()
        count = made["connected"]
        figures |= {
            "connected": count,
            "start_to_all_sessions_s": round(crowded.start_seconds + made["seconds"], 3),
            "handshakes_per_s": round(count / made["seconds"], 1),
            "node_cpu_ms_per_handshake": round(1000 * used(before, right_after) / max(1, count), 3),
            "control_cpu_ms_per_handshake": round(1000 * used(before, right_after, "control") / max(1, count), 3),
            "caller_cpu_ms_per_handshake": round(1000 * made["cpu"] / max(1, count), 3),
        }
        time.sleep(7)  # unfinished and replaced handshakes have ended by now
        after = crowded.usage()
        grown = sum(after[role].pss - before[role].pss for role in before)
        figures |= {
            "after": shown(after),
            "grown_mb": round(grown / MIB, 1),
            "bytes_per_session": grown // max(1, count),
        }
        if options.idle:
            begun, first = time.monotonic(), crowded.usage()
            time.sleep(options.idle)
            share = used(first, crowded.usage()) / (time.monotonic() - begun)
            figures["idle_cpu_percent_of_a_core"] = round(100 * share, 2)
            figures["idle_cpu_percent_of_two"] = round(50 * share, 2)
        begun = time.monotonic()
        loop = crowded.status()["loop"]
        figures["status_s"] = round(time.monotonic() - begun, 3)
        figures |= {"longest_turn_ms": loop["longest_turn_ms"], "late_turns": loop["late_turns"] - late}
        if options.reload:
            figures["plan_s"], figures["plan_cpu_s"] = (round(seconds, 3) for seconds in crowded.plan())
            figures["reload_unchanged_s"] = round(crowded.reload(), 3)
            figures["reload_without_one_s"] = round(crowded.reload(without=1), 3)
            reloading, commands = crowded.usage(), os.times()
            figures["reload_changed_s"] = round(crowded.reload(without=0), 3)
            figures["reload_cpu_s"] = round(used(reloading, crowded.usage()), 3)
            figures["reload_command_cpu_s"] = round(sum(os.times()[2:4]) - sum(commands[2:4]), 3)
            figures["after_reload"] = shown(crowded.usage())
        figures["connected_at_the_end"] = crowded.connected()
        status = crowded.status()
        figures |= {"drops": status["drops"], "handshakes": status["handshakes"], "bars": bars(figures, count)}
        return figures


def bars(figures: dict[str, Any], count: float) -> list[dict[str, Any]]:
    """What is required beside what was measured."""
    resident = round(sum(used["rss_mb"] for used in figures["after"].values()), 1)
    required: list[tuple[str, str, float, float]] = []
    if count > 1:
        required = [
            ("memory above the idle node, bytes a session", "at most", ROOM_BYTES, figures["bytes_per_session"]),
            ("resident memory of both processes, MiB", "at most", BASE_AND_MIB_A_SESSION + count, resident),
            ("handshakes a second, both sides on this machine", "at least", HANDSHAKES, figures["handshakes_per_s"]),
        ]
    if "idle_cpu_percent_of_two" in figures and count <= IDLE_SESSIONS:
        required.append(("idle CPU, percent of two cores", "at most", IDLE_PERCENT, figures["idle_cpu_percent_of_two"]))
    if "late_turns" in figures and figures["peers"] <= RESPONSIVE_PEERS:
        required.append(("turns of the loop longer than 50 ms, from the first call on", "at most", 0, figures["late_turns"]))
    if "plan_s" in figures and figures["peers"] <= PEERS:
        required.append(("plan, seconds", "at most", PLAN, figures["plan_s"]))
        required.append(("reload, seconds", "at most", RELOAD, figures["reload_changed_s"]))
        if count == 1:
            required.append(("start to the first session, seconds", "at most", FIRST_SESSION, figures["start_to_all_sessions_s"]))
    elif "plan_s" in figures and figures["peers"] <= MANY_PEERS:
        required.append(("plan, seconds", "at most", LONG_PLAN, figures["plan_s"]))
    return [
        {
            "figure": name,
            "bar": f"{sense} {bar:g}",
            "measured": found,
            "met": found <= bar if sense == "at most" else found >= bar,
        }
        for name, sense, bar, found in required
    ]


def used(before: dict[str, Usage], after: dict[str, Usage], *roles: str) -> float:
    """CPU seconds between two looks."""
    return sum(after[role].cpu - (before[role].cpu if before else 0.0) for role in roles or after)


def shown(usage: dict[str, Usage]) -> dict[str, dict[str, float]]:
    return {
        role: {"pss_mb": round(u.pss / MIB, 1), "rss_mb": round(u.rss / MIB, 1), "descriptors": u.descriptors}
        for role, u in sorted(usage.items())
    }


def table(figures: dict[str, Any]) -> str:
    lines = ["| figure | value |", "|---|---|"]
    for name, value in figures.items():
        if name == "bars":
            continue
        if isinstance(value, dict):
            lines += [f"| {name} {role} | {inner} |" for role, inner in value.items()]
        else:
            lines.append(f"| {name} | {value} |")
    lines += ["", "| required | bar | measured | met |", "|---|---|---|---|"]
    lines += [f"| {b['figure']} | {b['bar']} | {b['measured']} | {'yes' if b['met'] else '**no**'} |" for b in figures["bars"]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
