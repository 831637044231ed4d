"""Brings the host to what the profile says, and back.

At start this is done by a forked child, while the parent goes on starting: what it takes to talk to the kernel (60 ms of imports,
8 MB) is used once and gone with the child, which has the profile and the plugins from its parent.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from appliance.api.planning import Advice
from appliance.errors import ApplianceError, ExitCode, HostError
from appliance.runtime.inside import HERE

if TYPE_CHECKING:
    from appliance.api.planning import Plan
    from appliance.api.profile import Profile
    from appliance.apply.engine import ApplyResult
    from appliance.apply.executor import Listener, Progress
    from appliance.planning.contributions import Contributors
    from appliance.runtime.inside import Inside

LAST_STANDARD = 2
MOST_SAID = 64 << 20
"""Bytes of an answer: a line for each of a hundred thousand steps."""
KINDNESS = 10
"""Added to the niceness (nice(2)) of a process that looks at the host: what moves traffic and makes sessions goes first."""
MADE = b"made\n"
"""What the child says when the TUN device is there; any line answers it."""


class Changed(NamedTuple):
    """What an apply did: a line for each step, for each step of an earlier run that was undone first, and for each warning."""

    steps: tuple[str, ...]
    recovered: tuple[str, ...]
    warnings: tuple[str, ...]
    firewalls: tuple[Advice, ...] = ()
    """The warnings about firewalls of others, each by itself."""


class HostChangeFailed(ApplianceError):
    """What the child said when it failed."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = ExitCode.FAILURE) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = ExitCode(exit_code)


async def apply(
    profile: Profile,
    state_dir: Path,
    plugins: Contributors | None,
    *,
    confirm_within: float | None = None,
    admin: str | None = None,
    progress: Listener | None = None,
    give_up: bool = False,
    repair: bool = False,
) -> Changed:
    """Make the host be as `profile` says, in this process; `repair`: only what is missing comes
    back. Raises PlanError, ApplyError, MissingPrivilege, HostError."""
    from appliance.apply import engine, executor

    result = await engine.apply_profile(
        profile,
        state_dir,
        progress=progress or executor.silent,
        confirm_within=confirm_within,
        admin_address=admin,
        plugins=plugins,
        give_up=give_up,
        repair=repair,
    )
    return _changed(result)


async def look(profile: Profile, state_dir: Path, plugins: Contributors | None) -> Changed:
    """What of `profile` is missing on this host. Raises PlanError."""
    from appliance.apply import engine

    made = await engine.plan_repair(profile, state_dir, plugins=plugins)
    return Changed(tuple(step.summary for step in made.steps), (), made.warnings, _firewalls(made))


async def refuse_impossible(
    profile: Profile, state_dir: Path, plugins: Contributors | None, *, confirm_within: float | None, admin: str | None
) -> None:
    """Raises PlanError when `apply` would, for what the host or the admin's session does not allow. Changes nothing."""
    from appliance.apply import engine

    plan = await engine.plan_profile(profile, state_dir, admin_address=admin, plugins=plugins)
    engine.refuse_cutting_off(plan, confirm_within)


async def plan(profile: Profile, state_dir: Path, plugins: Contributors | None) -> dict[str, Any]:
    """What `apply` would do, as `planning.render.to_json` has it. Raises PlanError. Changes nothing."""
    from appliance.apply import engine
    from appliance.planning.render import to_json

    return to_json(await engine.plan_profile(profile, state_dir, plugins=plugins))


async def undo(state_dir: Path) -> int:
    """Bring the host back to what it was before the first apply. Returns how many steps that took."""
    from appliance.apply import engine

    return len((await engine.rollback(state_dir)).steps)


class Child:
    """A forked process that makes the host be as `profile` says; `inside` is where. To be made before there is an event loop or a
    thread that does something.

    It loads what it takes while the parent does its own part, then waits for `tell`; without it, nothing is done.
    """

    def __init__(self, profile: Profile, plugins: Contributors | None, inside: Inside = HERE) -> None:
        self._answer, answers = os.pipe()
        questions, self._question = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._answer)
            os.close(self._question)
            _serve(questions, answers, profile, plugins, inside)
        os.close(answers)
        os.close(questions)
        self._alive = True

    def tell(
        self, state_dir: Path, *, confirm_within: float | None, admin: str | None, give_up: bool = False, deed: str = "apply"
    ) -> None:
        """Let it begin. `give_up`: see `apply_profile`. Instead of applying it can "look", with a line for each thing that is
        missing, or "repair"."""
        question = {
            "state_dir": str(state_dir),
            "confirm_within": confirm_within,
            "admin": admin,
            "give_up": give_up,
            "deed": deed,
        }
        self._say(json.dumps(question).encode() + b"\n")

    def dismiss(self) -> None:
        """Let it go without doing anything, if it was told nothing yet."""
        if self._question >= 0:
            os.close(self._question)
            self._question = -1

    def kill(self) -> None:
        """End it now; what it had begun is undone by the next apply."""
        if self._alive:
            os.kill(self.pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until the process has ended. Safe to call twice."""
        self.dismiss()
        if self._alive:
            await asyncio.to_thread(os.waitpid, self.pid, 0)
            self._alive = False

    async def result(self, on_device: Callable[[], object]) -> Changed:
        """Wait for what `tell` led to. Raises HostChangeFailed with its reason.

        `on_device` is called when a new TUN device is there and not up yet, so that whoever attaches to it misses no packet; not
        when there was one before.
        """
        reader = asyncio.StreamReader(limit=MOST_SAID)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._answer, "rb", buffering=0)
        )
        try:
            said = await reader.readline()
            if said == MADE:
                on_device()
                self._say(b"go on\n")
                said = b""
            said += await reader.read()
        finally:
            transport.close()
        await self.gone()
        if not said:
            raise HostError(
                "the process that applies the profile died",
                hint="`appliance rollback` brings the host back; its last words are above",
            )
        answer = json.loads(said)
        if "error" in answer:
            raise HostChangeFailed(**answer["error"])
        advice = tuple(Advice(*one) for one in answer["firewalls"])
        return Changed(tuple(answer["steps"]), tuple(answer["recovered"]), tuple(answer["warnings"]), advice)

    def _say(self, line: bytes) -> None:
        with suppress(BrokenPipeError):  # it died, and `result` says so
            os.write(self._question, line)


def _serve(questions: int, answers: int, profile: Profile, plugins: Contributors | None, inside: Inside) -> None:
    """The child's life; never returns."""
    try:
        inside.enter()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent decides, and undoes what was done here
            signal.signal(number, signal.SIG_IGN)
        _let_go_of_the_rest({questions, answers})
        _load_ahead()
        with os.fdopen(questions, "rb") as source, os.fdopen(answers, "wb") as to:
            question = source.readline()
            if question:
                answer = _answer(json.loads(question), profile, plugins, _device_teller(profile, source, to))
                to.write(json.dumps(answer).encode())
    except BaseException:  # noqa: BLE001  whatever it is, the parent's code must not run twice
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def _let_go_of_the_rest(kept: set[int]) -> None:
    """A parent that is killed must not live on in this copy of its sockets and its TUN device."""
    gc.freeze()  # nothing of the parent's is collected here, and closes a number that is another file's by then
    signal.set_wakeup_fd(-1)
    for name in [entry.name for entry in Path("/proc/self/fd").iterdir()]:
        if int(name) > LAST_STANDARD and int(name) not in kept:
            with suppress(OSError):  # the folder's own
                os.close(int(name))


def _load_ahead() -> None:
    from appliance.apply import engine
    from appliance.linux import pyroute

    pyroute.load()
    del engine


def _device_teller(profile: Profile, source: BinaryIO, to: BinaryIO) -> Listener:
    """Says that the TUN device is there, and waits until the parent has attached to it (or is gone)."""
    from appliance.apply.executor import Stage

    def tell(progress: Progress) -> None:
        made = progress.step.do.verb == "tun.create" and progress.step.do.args["name"] == profile.network.interface
        if made and progress.stage is Stage.VERIFIED and not progress.undo:
            to.write(MADE)
            to.flush()
            source.readline()

    return tell


def _answer(question: Mapping[str, Any], profile: Profile, plugins: Contributors | None, progress: Listener) -> dict[str, Any]:
    state_dir = Path(question["state_dir"])
    try:
        if question["deed"] == "look":
            os.nice(KINDNESS)
            return asyncio.run(look(profile, state_dir, plugins))._asdict()
        work = apply(
            profile,
            state_dir,
            plugins,
            confirm_within=question["confirm_within"],
            admin=question["admin"],
            progress=progress,
            give_up=question["give_up"],
            repair=question["deed"] == "repair",
        )
        return asyncio.run(work)._asdict()
    except ApplianceError as error:
        return {"error": {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}}
    except OSError as error:
        return {"error": {"message": f"the host refused: {error}"}}


def _changed(result: ApplyResult) -> Changed:
    return Changed(
        tuple(step.summary for step in result.plan.steps),
        tuple(step.summary for step in result.recovered),
        result.plan.warnings,
        _firewalls(result.plan),
    )


def _firewalls(plan: Plan) -> tuple[Advice, ...]:
    from appliance.planning import firewalls

    return firewalls.told_of(plan.advice)
