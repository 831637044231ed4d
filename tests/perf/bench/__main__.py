"""The benchmark of `make bench`; root only.

Everything is measured on real nodes in network namespaces, in interleaved rounds beside the bare veth and, where it is installed,
wireguard-go. The results go to build/bench/latest.json. Exit code 1 when --compare finds something worse.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.perf.bench import profiling, publishing
from tests.perf.bench.comparison import compare, missing
from tests.perf.bench.machine import describe
from tests.perf.bench.results import Results, load
from tests.perf.bench.schedule import GROUPS, Effort, run
from tests.perf.bench.tables import tables
from tests.perf.bench.wireguard import version

ROOT = Path(__file__).resolve().parents[3]
LATEST = ROOT / "build/bench/latest.json"
QUICK = (1, 1.0)
WHOLE = (5, 2.0)
"""Rounds, and seconds of a measurement: about one minute and a half, and about nine."""


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(prog="make bench args=…", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, for a first impression")
    parser.add_argument("--rounds", type=int, help=f"rounds ({WHOLE[0]})")
    parser.add_argument("--seconds", type=float, help=f"whole seconds of each measurement ({WHOLE[1]:g})")
    parser.add_argument("--only", metavar="GROUP,…", help=f"some of: {', '.join(sorted(GROUPS))}; '' for none")
    parser.add_argument("--profile", action="store_true", help="also where the time goes: kernel, crypto, interpreter")
    parser.add_argument("--compare", action="store_true", help="say what got worse than the committed baseline; then exit 1")
    parser.add_argument(
        "--publish", action="store_true", help="make this the baseline, and write docs/performance.md and its plots"
    )
    parser.add_argument("--from", dest="file", type=Path, metavar="FILE", help="results of an earlier run; nothing is measured")
    parser.add_argument("--out", type=Path, default=LATEST, metavar="FILE", help="where the results go")
    return parser.parse_args(words)


def main() -> int:
    """Measure, show, compare, publish, as wanted."""
    wanted = options()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # a server that ends while it is killed is no news
    results = load(wanted.file) if wanted.file else asyncio.run(measure(wanted))
    if not wanted.file:
        results.save(wanted.out)
        publishing.write_plots(results, wanted.out.parent)
    print(tables(results))
    if not wanted.file:
        print(f"Results and plots: {wanted.out.parent}")
    if wanted.publish:
        publishing.publish(results, ROOT)
    return worse(results) if wanted.compare else 0


async def measure(wanted: argparse.Namespace) -> Results:
    """One run."""
    if os.geteuid():
        sys.exit("make bench builds network namespaces: run it as root")
    rounds, seconds = QUICK if wanted.quick else WHOLE
    groups = GROUPS if wanted.only is None else frozenset(filter(None, wanted.only.split(",")))
    if unknown := groups - GROUPS:
        sys.exit(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(sorted(GROUPS))}")
    effort = Effort(wanted.rounds or rounds, wanted.seconds or seconds, groups)
    results = Results(describe())
    results.about |= {"rounds": effort.rounds, "seconds": effort.seconds, "groups": sorted(groups), "wireguard-go": version()}
    await run(effort, results)
    if wanted.profile:
        results.profile = await profiling.profile()
    results.about["load_after"] = describe()["load_before"]
    return results


def worse(results: Results) -> int:
    """Tell how the run compares with the baseline; the exit code."""
    path = publishing.baseline(ROOT)
    if not path.is_file():
        print(f"there is no {path}: make one with --publish", file=sys.stderr)
        return 1
    before = load(path)
    changes = compare(before, results)
    complaints = [change.told() for change in changes if change.worse] + missing(before, results)
    print(f"Compared with {before.about.get('date')}: {len(changes)} ratios, {len(complaints)} worse.")
    for complaint in complaints:
        print(f"WORSE  {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
