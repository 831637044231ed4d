"""The way in for the command line and the daemon: plan, apply, confirm, roll back, recover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from appliance.api.planning import HostState, Plan, Step
from appliance.api.profile import Profile
from appliance.apply.confirmation import clear_up, is_watched, start_watchdog, wake_watchdog
from appliance.apply.executor import Listener, carry_out, silent, undo
from appliance.apply.journal import Journal
from appliance.apply.others import owner_of, refuse_others
from appliance.apply.records import JournalState
from appliance.errors import ApplianceError, ExitCode, HostError, MissingPrivilege, PlanError
from appliance.linux import machine
from appliance.linux.actions import perform
from appliance.linux.locks import hold
from appliance.linux.netlink import Netlink
from appliance.linux.observe import observe
from appliance.linux.refusals import PRIVILEGE_HINT
from appliance.planning import naming
from appliance.planning.contributions import Contributions, Contributors, Held, refuse_unfit
from appliance.planning.diff import plan, undo_cuts_off
from appliance.planning.drift import bringing_back
from appliance.planning.ledger import Ledger
from appliance.planning.revert import refuse_irreversible, revert
from appliance.planning.simulate import after
from appliance.planning.wanted import Wanted, wanted, wanted_too

PATIENCE = 15.0
"""Seconds to wait for another command that is changing this host; a plan of a hundred steps takes about two."""

ENDLESS = 86400.0
"""Seconds. The watchdog waits for the lock as long as it takes."""


class Unconfirmed(ApplianceError):
    """An earlier apply still waits for its confirmation."""

    exit_code = ExitCode.RETRY
    retryable = True


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What an apply did."""

    plan: Plan
    """Its steps; none if the host was as the profile says."""
    revert: Plan
    """The steps that would undo it."""
    recovered: tuple[Step, ...] = ()
    """Steps of an earlier, interrupted run that were undone first."""
    confirm_within: float | None = None
    """Seconds that are left to confirm it; None if it needs no confirmation."""

    @property
    def changed(self) -> bool:
        """Was anything done?"""
        return bool(self.plan.steps)


@dataclass(frozen=True, slots=True)
class Undone:
    """What was undone."""

    steps: tuple[Step, ...] = ()
    """In the order in which they were undone; none if there was nothing to undo."""


async def plan_profile(
    profile: Profile,
    state_dir: Path,
    *,
    admin_address: str | None = None,
    plugins: Contributors | None = None,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
    repair: bool = False,
    answered: bool = True,
) -> Plan:
    """What apply would do now. Changes nothing and needs no privilege.

    `admin_address` is the address that the admin's session comes from, or the value of SSH_CONNECTION. `names` has addresses of
    names in endpoints. `repair`: the profile is in force, so plugins do not judge it again. `answered`: a node runs, or is about
    to, which programs of this host may be told to ask for names. Raises PlanError.
    """
    journal = _journal(state_dir)
    async with Netlink() as netlink:
        made, observed = await _plan(
            profile, state_dir, journal.state, netlink, admin_address, plugins, names, judged=repair, answered=answered
        )
    refuse_irreversible(made, observed)
    if journal.state.interrupted() is None:
        return made
    warning = "an earlier run was interrupted: apply undoes it first, and its own plan may then differ"
    return replace(made, warnings=(*made.warnings, warning))


async def plan_repair(profile: Profile, state_dir: Path, *, plugins: Contributors | None = None) -> Plan:
    """The steps that bring back what is missing on this host of the profile. Raises PlanError."""
    made = await plan_profile(profile, state_dir, plugins=plugins, repair=True)
    return Plan(bringing_back(made.steps), made.warnings, advice=made.advice)


async def apply_profile(
    profile: Profile,
    state_dir: Path,
    *,
    progress: Listener = silent,
    confirm_within: float | None = None,
    admin_address: str | None = None,
    plugins: Contributors | None = None,
    give_up: bool = False,
    repair: bool = False,
    answered: bool = True,
) -> ApplyResult:
    """Make the host be as the profile says. With `repair`, only by the steps that bring something back. `answered`: as above.

    If an earlier process applied something that nobody confirmed yet, `give_up` undoes it first; without `give_up` it is waited
    for. With `confirm_within` seconds, everything that this call did is undone by itself unless `confirm` is called in time.
    Raises PlanError (nothing was done), ApplyError (what had been done was undone, unless the message says otherwise),
    MissingPrivilege.
    """
    _require_privilege()
    async with _locked(state_dir) as journal, Netlink() as netlink:
        if not give_up:
            _refuse_unconfirmed(journal.state, state_dir)
        recovered = await _recover(journal, netlink, state_dir, progress, give_up=give_up)
        made, observed = await _plan(
            profile, state_dir, journal.state, netlink, admin_address, plugins, judged=repair, answered=answered
        )
        if repair:
            made = Plan(bringing_back(made.steps), made.warnings, advice=made.advice)
        refuse_irreversible(made, observed)
        refuse_cutting_off(made, confirm_within)
        if made.steps:
            generation = journal.begin(made.steps, confirm_within)
            if confirm_within is not None:
                await start_watchdog(state_dir, generation.number, confirm_within)
            await carry_out(generation, netlink, journal, progress)
        return ApplyResult(made, revert(made), tuple(recovered), confirm_within if made.steps else None)


def refuse_cutting_off(plan: Plan, confirm_within: float | None) -> None:
    """Raise PlanError for a plan that cuts off the admin's session, unless it is undone by itself."""
    if plan.cuts_off and confirm_within is None:
        raise PlanError(
            f"this would cut off your own session, {plan.cuts_off}",
            hint="do it with --confirm-within 60s: without `appliance confirm` in time, everything is undone by itself",
        )


async def plan_rollback(state_dir: Path, *, admin_address: str | None = None) -> Plan:
    """What rollback would do now."""
    steps = _journal(state_dir).state.in_force
    async with Netlink() as netlink:
        observed = await observe(Wanted(), netlink)
    undone = revert(Plan(tuple(steps))).steps
    left = naming.left_behind(after(observed, [one.do for one in undone]))
    return Plan((*undone, *left), (), undo_cuts_off(steps, observed, admin_address))


async def rollback(state_dir: Path, *, progress: Listener = silent) -> Undone:
    """Undo everything that was ever applied: the host becomes as it was before the first apply. Also completes an interrupted
    undo, and puts right what outlived its journal."""
    _require_privilege()
    async with _locked(state_dir) as journal, Netlink() as netlink:
        first = journal.state.generations[0].number if journal.state.generations else None
        steps = await undo(first, netlink, journal, progress) if first is not None else []
        wake_watchdog(state_dir)
        for step in naming.left_behind(await observe(Wanted(), netlink)):
            await perform(step.do, netlink)
            steps.append(step)
        return Undone(tuple(steps))


async def recover(state_dir: Path, *, progress: Listener = silent) -> Undone:
    """Undo what a crash left half done: an interrupted apply or undo, and an unconfirmed apply whose watchdog is dead.

    A complete apply stays in force.
    """
    _require_privilege()
    async with _locked(state_dir) as journal, Netlink() as netlink:
        return Undone(tuple(await _recover(journal, netlink, state_dir, progress)))


async def confirm(state_dir: Path) -> None:
    """Keep what was applied with `confirm_within`. Raises HostError if nothing waits for confirmation (any more)."""
    async with _locked(state_dir) as journal:
        last = journal.state.last
        if last is None or not last.applied or not last.awaits_confirmation:
            raise HostError(
                "nothing awaits confirmation",
                hint="if the time had run out, everything was undone: look with appliance plan, and apply again",
            )
        journal.confirmed(last)
        wake_watchdog(state_dir)


async def expire(state_dir: Path, generation: int) -> None:
    """The time to confirm has run out: undo the generation, unless it was confirmed or is gone. For the watchdog."""
    async with _locked(state_dir, patience=ENDLESS) as journal, Netlink() as netlink:
        last = journal.state.last
        if last is not None and last.number == generation and last.awaits_confirmation:
            await undo(generation, netlink, journal)


def awaits_confirmation(state_dir: Path, generation: int) -> bool:
    """Is the generation in force and unconfirmed?"""
    last = _journal(state_dir).state.last
    return last is not None and last.number == generation and last.awaits_confirmation


def refuse_unconfirmed(state_dir: Path) -> None:
    """Raise Unconfirmed while the last apply may still be confirmed."""
    _refuse_unconfirmed(_journal(state_dir).state, state_dir)


def state(state_dir: Path) -> JournalState:
    """What is in force, for `status` and `doctor`."""
    return _journal(state_dir).state


def has_made(interface: str, state_dir: Path) -> bool:
    """Did an apply that is in force make this interface? (Otherwise it was there before.)"""
    return interface in Ledger.of(_journal(state_dir).state.in_force).created


async def _plan(
    profile: Profile,
    state_dir: Path,
    state: JournalState,
    netlink: Netlink,
    admin_address: str | None,
    plugins: Contributors | None,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    judged: bool = False,
    answered: bool = True,
) -> tuple[Plan, HostState]:
    owner = owner_of(state_dir)
    refuse_others(profile.network.interface, state_dir)
    applied = state.in_force
    held = Held.of(applied)
    # Plugins are asked in a thread: whoever plans may have an event loop to turn.
    asked = await asyncio.to_thread(plugins.observe, profile) if plugins else {}
    observed = await observe(wanted_too(wanted(profile, Ledger.of(applied, owner)), held, asked), netlink)
    before = held.without(observed)
    if plugins and not judged:
        refuse_unfit(await asyncio.to_thread(plugins.check, profile, before))
    wishes = await asyncio.to_thread(plugins.plan, profile, before) if plugins else {}
    contributions = Contributions(held, asked, wishes, plugins.kept if plugins else frozenset(), owner.table)
    made = plan(
        profile,
        observed,
        admin_address=admin_address,
        applied=applied,
        contributions=contributions,
        names=names,
        owner=owner,
        answered=answered,
    )
    return made, observed


async def _recover(
    journal: Journal, netlink: Netlink, state_dir: Path, progress: Listener, *, give_up: bool = False
) -> list[Step]:
    broken = journal.state.interrupted()
    if broken is None:
        last = journal.state.last
        if last is None or not last.awaits_confirmation or (is_watched(state_dir) and not give_up):
            return []
        broken = last.number
    steps = await undo(broken, netlink, journal, progress)
    wake_watchdog(state_dir)
    return steps


def _refuse_unconfirmed(state: JournalState, state_dir: Path) -> None:
    last = state.last
    if last is not None and last.applied and last.awaits_confirmation and state.undoing is None and is_watched(state_dir):
        raise Unconfirmed(
            "the last apply still awaits its confirmation", hint="run `appliance confirm` to keep it, or `appliance rollback`"
        )


@asynccontextmanager
async def _locked(state_dir: Path, *, patience: float | None = None) -> AsyncIterator[Journal]:
    """The journal, for writing. Leaves no file behind if nothing is in force."""
    lock = state_dir / "lock"
    async with hold(lock, patience=PATIENCE if patience is None else patience):
        journal = _journal(state_dir)
        try:
            yield journal
        finally:
            if not journal.state.generations:
                journal.discard()
                if not is_watched(state_dir):
                    clear_up(state_dir)
                lock.unlink(missing_ok=True)
                with suppress(OSError):
                    state_dir.rmdir()


def _journal(state_dir: Path) -> Journal:
    return Journal(state_dir, boot_id=machine.boot_id(), netns=machine.netns_cookie())


def _require_privilege() -> None:
    if not machine.may_change_network():
        raise MissingPrivilege("changing the host's network needs CAP_NET_ADMIN", hint=PRIVILEGE_HINT)
