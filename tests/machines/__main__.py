"""`make rigs`: virtual machines with the Debian package, and what befalls them. Root only; half an hour on two cores, since
without KVM an instruction costs ten: a bed of two guests keeps one of them busy. Exit code 1 when a scenario does not end as it
should.

    make rigs args='--only reloads,bookworm'       these scenarios, or all of a bed
    make rigs args='--list'                        what there is
    make rigs args='--write'                       what came out goes into the table in docs/rigs.md
    make rigs args='--list --write'                only rows that are not there yet do
    make rigs args='--json'                        one document on standard output
    make rigs args='--jobs 1'                      one bed at a time, instead of one for each core
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from appliance.errors import ApplianceError
from tests.machines.bed import FAILURES, Bed
from tests.machines.scenario import REMOVED, REMOVED_ABOUT, Plan, Steps, Verdict, about, table
from tests.machines.scenarios import PLANS

PAGE = Path(__file__).resolve().parents[2] / "docs/rigs.md"
BEGIN, END = "<!-- scenarios: make rigs args=--write -->\n", "<!-- end of scenarios -->"


def main() -> int:
    """Make each bed in turn, and do what is to be done in it."""
    parser = argparse.ArgumentParser(prog="make rigs args=…", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", metavar="NAME,…", default="", help="scenarios or beds")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="beds at a time")
    wanted = parser.parse_args()
    only = {name for name in wanted.only.split(",") if name}
    plans = [(plan, chosen) for plan in PLANS if (chosen := plan.scenarios if wanted.list and not only else _chosen(plan, only))]
    if wanted.list:
        for plan, chosen in plans:
            for steps in chosen:
                print(f"{plan.name:10} {steps.__name__:28} {about(steps)}")
        if wanted.write:
            _write([])
        return 0
    try:
        verdicts = asyncio.run(_all_played(plans, max(1, wanted.jobs)))
    except KeyboardInterrupt:
        _say("stopped: the machines are removed")
        return 128 + signal.SIGINT
    failed = [verdict.name for verdict in verdicts if not verdict.well]
    if wanted.json:
        print(json.dumps([verdict._asdict() for verdict in verdicts], indent=2))
    if wanted.write:
        _write(verdicts)
    _say(f"failed: {', '.join(failed)}" if failed else f"all {len(verdicts)} scenarios are well")
    return 1 if failed or not verdicts else 0


def _write(verdicts: list[Verdict]) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + table(PLANS, verdicts, old) + "\n" + END + after)


def _chosen(plan: Plan, only: set[str]) -> tuple[Steps, ...]:
    if plan.asked_for or plan.name in only:
        return plan.scenarios if plan.name in only else ()
    return tuple(steps for steps in plan.scenarios if not only or steps.__name__ in only)


async def _all_played(plans: Iterable[tuple[Plan, tuple[Steps, ...]]], jobs: int) -> list[Verdict]:
    free = asyncio.Semaphore(jobs)

    async def one(plan: Plan, chosen: tuple[Steps, ...]) -> list[Verdict]:
        async with free:
            return await _played(plan, chosen)

    return list(chain.from_iterable(await asyncio.gather(*(one(*each) for each in plans))))


async def _played(plan: Plan, chosen: tuple[Steps, ...]) -> list[Verdict]:
    begun, say = time.monotonic(), lambda line: _say(f"{plan.name}: {line}")
    _say(f"{plan.name}: two guests with Debian {plan.suite} ({plan.arch})")
    verdicts: list[Verdict] = []
    try:
        async with Bed(plan.suite, plan.arch, extras=plan.extras, start=plan.start, say=say) as bed:
            _say(f"{plan.name}: {'nodes with a session' if plan.start else 'machines'} after {time.monotonic() - begun:.0f} s")
            for steps in chosen:
                verdicts += [await _one(plan, steps, bed)]
        verdicts.append(_removed(plan, bed))
    except (*FAILURES, ApplianceError) as error:
        told = {each.name for each in verdicts}
        verdicts += [
            Verdict(plan.name, steps.__name__, about(steps), well=False, seconds=0, said=f"no machines: {error}")
            for steps in chosen
            if steps.__name__ not in told
        ]
        _say(f"FAIL {plan.name}: {error}")
    return verdicts


def _removed(plan: Plan, bed: Bed) -> Verdict:
    left = bed.lab.left_behind or []
    _say(f"{'FAIL' if left else 'ok  '} {plan.name} removed: {', '.join(left) or 'nothing is left'}")
    return Verdict(plan.name, REMOVED, REMOVED_ABOUT, not left, 0, "; ".join(left))


async def _one(plan: Plan, steps: Steps, bed: Bed) -> Verdict:
    begun = time.monotonic()
    try:
        said, well = await steps(bed), True
    except (*FAILURES, ApplianceError, OSError) as error:
        said, well = f"{type(error).__name__}: {error}", False
        if isinstance(error.__context__, FAILURES):
            said += f", after {error.__context__}"
        if not isinstance(error, (ApplianceError, OSError)) and "Wrong" not in said:
            said += "\n" + traceback.format_exc()
    seconds = time.monotonic() - begun
    _say(f"{'ok  ' if well else 'FAIL'} {plan.name} {steps.__name__} ({seconds:.0f} s): {said}")
    if not well and plan.start:
        await bed.as_before()
    return Verdict(plan.name, steps.__name__, about(steps), well, seconds, said)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
