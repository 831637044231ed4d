#!/usr/bin/env python3
"""How long each operation takes on a real node: the commands, a reload, a start until the sessions are there (root only).

usage: .venv/bin/python -m tests.perf.operations [--times N] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from appliance.lab.engine import Lab
from tests.rigs.labs import pair
from tests.rigs.operations import MOST_SECONDS, Operations


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.times))
    print(json.dumps(figures, indent=1) if options.json else table(figures))


async def measure(times: int) -> list[dict[str, Any]]:
    async with Lab(pair()) as lab:
        operations = Operations(lab)
        for _ in range(times):
            await operations.round()
    return [{**took._asdict(), "bar": MOST_SECONDS, "met": took.p99 < MOST_SECONDS} for took in operations.took()]


def table(figures: list[dict[str, Any]]) -> str:
    lines = [f"| operation | times | p50 s | p99 s | slowest s | p99 below {MOST_SECONDS:g} s |", "|---|---|---|---|---|---|"]
    for found in figures:
        seconds = " | ".join(f"{found[key]:.2f}" for key in ("p50", "p99", "slowest"))
        lines.append(f"| {found['operation']} | {found['times']} | {seconds} | {'yes' if found['met'] else '**no**'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
