"""Doing the steps of a plan, and undoing them: journal, deed, look at the kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from appliance.api.planning import Action, Step
from appliance.apply.journal import Journal
from appliance.apply.records import Generation
from appliance.errors import ApplianceError, ApplyError, HostError
from appliance.linux import actions, links, sysctl
from appliance.linux.netlink import Netlink
from appliance.planning.facts import fact
from appliance.planning.wording import describe


class Stage(StrEnum):
    """How far a step is."""

    NEXT = "next"
    JOURNALLED = "journalled"
    PERFORMED = "performed"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Progress:
    """Told before and after each part of a step: `number` of `total`, from 1. `undo` when it is being taken back."""

    stage: Stage
    step: Step
    number: int
    total: int
    undo: bool


Listener = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Nobody listens."""


async def carry_out(generation: Generation, netlink: Netlink, journal: Journal, progress: Listener = silent) -> None:
    """Do all steps of a generation that has begun. When one fails, or on cancellation, undo those done.

    Raises ApplyError then; its message says whether the host is as before.
    """
    total = len(generation.steps)
    try:
        for index, step in enumerate(generation.steps):

            def tell(stage: Stage, step: Step = step, number: int = index + 1) -> None:
                progress(Progress(stage, step, number, total, undo=False))

            await _to_its_end(_do(index, step, generation, netlink, journal, tell))
        journal.applied(generation)
    except BaseException as error:
        problem = await _undo_after(error, generation.number, netlink, journal, progress)
        undone = generation not in journal.state.generations
        if undone and not isinstance(error, ApplianceError):
            raise
        raise problem from error


async def undo(down_to: int, netlink: Netlink, journal: Journal, progress: Listener = silent) -> list[Step]:
    """Undo everything from generation `down_to` on, last first; the steps that were undone.

    What fails is left in the journal while the rest goes on; HostError at the end names it, and the next call tries it again.
    """
    journal.undoing(down_to)
    chosen = [generation for generation in journal.state.generations if generation.number >= down_to]
    total = sum(len(generation.touched) for generation in chosen)
    undone: list[Step] = []
    problems: list[str] = []
    for generation in reversed(chosen):
        for index in reversed(generation.touched[:]):
            step = generation.steps[index]
            number = len(undone) + len(problems) + 1

            def tell(stage: Stage, step: Step = step, number: int = number) -> None:
                progress(Progress(stage, step, number, total, undo=True))

            try:
                await _undo(index, step, generation, netlink, journal, tell)
                undone.append(step)
            except HostError as error:
                problems.append(f"{describe(step.undo)}: {error.message}")
        if not problems:
            journal.reverted(generation)
    if problems:
        raise HostError(
            f"{len(problems)} of {total} steps could not be undone: {'; '.join(problems)}",
            hint="remove the cause and run: appliance rollback",
        )
    return undone


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` whole even when cancelled meanwhile: a netlink session left in the middle of a request answers no other."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def _do(
    index: int, step: Step, generation: Generation, netlink: Netlink, journal: Journal, tell: Callable[[Stage], None]
) -> None:
    tell(Stage.NEXT)
    journal.will(generation, index)
    tell(Stage.JOURNALLED)
    await actions.perform(step.do, netlink)
    tell(Stage.PERFORMED)
    if not await actions.verify_patiently(step.verify, netlink):
        raise HostError(f"the kernel took the change but does not show it: {step.summary}")
    tell(Stage.VERIFIED)


async def _undo(
    index: int, step: Step, generation: Generation, netlink: Netlink, journal: Journal, tell: Callable[[Stage], None]
) -> None:
    tell(Stage.NEXT)
    if not await _is_moot(step.undo, netlink):
        await actions.perform(step.undo, netlink)
        tell(Stage.PERFORMED)
        if not await actions.verify_patiently(fact(step.undo), netlink):
            raise HostError("the kernel took the change but does not show it")
    journal.undone(generation, index)
    tell(Stage.VERIFIED)


async def _is_moot(action: Action, netlink: Netlink) -> bool:
    """Is what the action speaks of gone, with the interface it was on? Somebody may have removed that by hand."""
    match action.verb:
        case "sysctl.set":
            return sysctl.read(action.args["key"]) is None
        case "link.set":
            return await links.index(netlink, action.args["name"]) is None
        case "address.add" | "route.add":
            return await links.index(netlink, action.args["link"]) is None
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
