"""Doing the steps of a plan, and undoing them: write the journal, do it, look at the kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from appliance.api.planning import Action, Step
from appliance.apply.journal import Journal
from appliance.apply.records import Generation
from appliance.errors import ApplianceError, ApplyError, HostError
from appliance.linux import actions, interfaces, resolv_conf, sysctl
from appliance.linux.netlink import Netlink
from appliance.planning.facts import fact
from appliance.planning.wording import describe


class Stage(StrEnum):
    """How far a step is."""

    NEXT = "next"
    """It is its turn."""
    JOURNALLED = "journalled"
    """The journal says that it will be done."""
    PERFORMED = "performed"
    """It was done."""
    VERIFIED = "verified"
    """The kernel shows it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Told before and after each part of a step."""

    stage: Stage
    step: Step
    number: int
    """From 1 to `total`."""
    total: int
    undo: bool
    """It is being undone."""


TOGETHER = ("address.", "route.", "rule.")
"""Verbs whose steps are announced, done and checked many at a time. They do nothing if the host is as they want it. So undoing a
step that was announced but not done does no harm."""
FEW_TOGETHER = 50
"""Steps in one run. Progress still shows often enough, and a look at the kernel costs next to nothing."""
MOST_RUNS = 8
"""Runs of one verb. A look takes time for each route there is, and a record is a write to the disk. So with thousands of steps
the runs get longer and not more."""

Listener = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Nobody listens to the progress."""


async def carry_out(generation: Generation, netlink: Netlink, journal: Journal, progress: Listener = silent) -> None:
    """Do all steps of a generation that has begun. If one fails, or on cancellation, undo those that were done.

    Then it raises ApplyError, whose message says whether the host is as before.
    """
    total = len(generation.steps)

    def tell(stage: Stage, index: int) -> None:
        progress(Progress(stage, generation.steps[index], index + 1, total, undo=False))

    try:
        for run in _runs(list(range(total)), generation, undo=False):
            for index in run:
                tell(Stage.NEXT, index)
            journal.will(generation, *run)
            for index in run:
                tell(Stage.JOURNALLED, index)
                await actions.perform(generation.steps[index].do, netlink)
                tell(Stage.PERFORMED, index)
            missing = await actions.verify_patiently([generation.steps[index].verify for index in run], netlink)
            for index in run:
                if generation.steps[index].verify in missing:
                    raise HostError(f"the kernel took the change but does not show it: {generation.steps[index].summary}")
                tell(Stage.VERIFIED, index)
            await asyncio.sleep(0)  # whoever asked us to end is heard here, after the last step as well
        journal.applied(generation)
    except BaseException as error:
        problem = await _undo_after(error, generation.number, netlink, journal, progress)
        if not isinstance(error, ApplianceError):
            raise
        raise problem from error


async def undo(down_to: int, netlink: Netlink, journal: Journal, progress: Listener = silent) -> list[Step]:
    """Undo everything from generation `down_to` on, the last step first. The steps that were undone.

    A step that cannot be undone stays in the journal, while the rest goes on. HostError at the end names it, and the next call
    tries it again.
    """
    journal.undoing(down_to)
    chosen = [generation for generation in journal.state.generations if generation.number >= down_to]
    total = sum(len(generation.touched) for generation in chosen)
    undone: list[Step] = []
    problems: list[str] = []
    for generation in reversed(chosen):
        for run in _runs(generation.touched[::-1], generation, undo=True):
            told = len(undone) + len(problems)

            def tell(stage: Stage, step: Step, place: int, told: int = told) -> None:
                progress(Progress(stage, step, told + place + 1, total, undo=True))

            await _undo_run(run, generation, netlink, journal, tell, undone, problems)
        if not problems:
            journal.reverted(generation)
    if problems:
        raise HostError(
            f"{len(problems)} of {total} steps could not be undone: {'; '.join(problems)}",
            hint="remove the cause and run: appliance rollback",
        )
    return undone


async def _undo_run(
    run: Sequence[int],
    generation: Generation,
    netlink: Netlink,
    journal: Journal,
    tell: Callable[[Stage, Step, int], None],
    undone: list[Step],
    problems: list[str],
) -> None:
    performed: dict[int, Action] = {}
    failed: dict[int, str] = {}
    for place, index in enumerate(run):
        step = generation.steps[index]
        tell(Stage.NEXT, step, place)
        try:
            if not _is_moot(step.undo):
                await actions.perform(step.undo, netlink)
                performed[index] = fact(step.undo)
        except HostError as error:
            failed[index] = error.message
        tell(Stage.PERFORMED, step, place)
    missing = await actions.verify_patiently(list(performed.values()), netlink)
    for place, index in enumerate(run):
        step = generation.steps[index]
        if performed.get(index) in missing:
            failed[index] = "the kernel took the change but does not show it"
        if index in failed:
            problems.append(f"{describe(step.undo)}: {failed[index]}")
            continue
        undone.append(step)
        tell(Stage.VERIFIED, step, place)
    journal.undone(generation, *(index for index in run if index not in failed))


def _runs(indices: Sequence[int], generation: Generation, *, undo: bool) -> Iterator[list[int]]:
    """Neighbours with the same verb, whose facts one look at the kernel can check."""

    def verb(index: int) -> str:
        step = generation.steps[index]
        return (step.undo if undo else step.do).verb

    for same_verb, run in groupby(indices, verb):
        if same_verb.startswith(TOGETHER):
            rest = list(run)
            length = max(FEW_TOGETHER, -(-len(rest) // MOST_RUNS))
            yield from (rest[at : at + length] for at in range(0, len(rest), length))
        else:
            yield from ([index] for index in run)


def _is_moot(action: Action) -> bool:
    """Is the interface gone that the action is about, or the file another one by now? Somebody may have done that by hand."""
    match action.verb:
        case "sysctl.set":
            return sysctl.read(action.args["key"]) is None
        case "link.set":
            return interfaces.index(action.args["name"]) is None
        case "address.add" | "route.add" | "resolved.set":
            link = action.args["link"]  # unreachable routes lead over none
            return link is not None and interfaces.index(link) is None
        case "resolv_conf.write":
            return resolv_conf.is_anothers(action.args)
        case _:
            return False


async def _undo_after(
    error: BaseException, generation: int, netlink: Netlink, journal: Journal, progress: Listener
) -> ApplyError:
    reason, hint = (error.message, error.hint) if isinstance(error, ApplianceError) else (str(error) or "interrupted", "")
    try:
        await undo(generation, netlink, journal, progress)
    except HostError as second:
        return ApplyError(f"{reason}; and not all could be undone: {second.message}", hint=second.hint)
    return ApplyError(f"{reason}; all that had been done was undone", hint=hint)
