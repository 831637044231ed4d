"""Brings the host to what the profile says, and back.

At start this is done by a forked child, while the parent goes on starting: what it takes to talk to the kernel (a third of a
second of imports, 15 MB) is used once and gone with the child.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.errors import ApplianceError, ExitCode, HostError

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.apply.engine import ApplyResult, Contribute


class Changed(NamedTuple):
    """What an apply did: a line for each step, for each step of an earlier run that was undone first, and for each warning."""

    steps: tuple[str, ...]
    recovered: tuple[str, ...]
    warnings: tuple[str, ...]


class HostChangeFailed(ApplianceError):
    """What the child said when it failed."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = ExitCode.FAILURE) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = ExitCode(exit_code)


async def apply(
    profile: Profile,
    state_dir: Path,
    contribute: Contribute | None,
    *,
    confirm_within: float | None = None,
    admin: str | None = None,
) -> Changed:
    """Make the host be as `profile` says, in this process. Raises PlanError, ApplyError, MissingPrivilege, HostError."""
    from appliance.apply import engine

    result = await engine.apply_profile(
        profile, state_dir, confirm_within=confirm_within, admin_address=admin, contribute=contribute
    )
    return _changed(result)


async def refuse_impossible(
    profile: Profile, state_dir: Path, contribute: Contribute | None, *, confirm_within: float | None, admin: str | None
) -> None:
    """Raises PlanError when `apply` would, for what the host or the admin's session does not allow. Changes nothing."""
    from appliance.apply import engine

    plan = await engine.plan_profile(profile, state_dir, admin_address=admin, contribute=contribute)
    engine.refuse_cutting_off(plan, confirm_within)


async def undo(state_dir: Path) -> int:
    """Bring the host back to what it was before the first apply. Returns how many steps that took."""
    from appliance.apply import engine

    return len((await engine.rollback(state_dir)).steps)


class Child:
    """A forked process that applies a profile when told to. To be made before there is an event loop or a thread.

    It loads what it takes while the parent does its own part, then waits for `tell`; without it, nothing is done.
    """

    def __init__(self) -> None:
        self._answer, answers = os.pipe()
        questions, self._question = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._answer)
            os.close(self._question)
            _serve(questions, answers)
        os.close(answers)
        os.close(questions)
        self._alive = True

    def tell(
        self, profile: Profile, state_dir: Path, plugins: Sequence[str], *, confirm_within: float | None, admin: str | None
    ) -> None:
        """Let it apply `profile`, with what these plugins add to the plan."""
        question = {
            "profile": profile.model_dump(mode="json", by_alias=True),
            "state_dir": str(state_dir),
            "plugins": list(plugins),
            "confirm_within": confirm_within,
            "admin": admin,
        }
        with os.fdopen(self._question, "wb") as to:
            self._question = -1
            to.write(json.dumps(question).encode())

    def dismiss(self) -> None:
        """Let it go without doing anything, if it was told nothing yet."""
        if self._question >= 0:
            os.close(self._question)
            self._question = -1

    async def gone(self) -> None:
        """Wait until the process has ended. Safe to call twice."""
        self.dismiss()
        if self._alive:
            await asyncio.to_thread(os.waitpid, self.pid, 0)
            self._alive = False

    async def result(self) -> Changed:
        """Wait for what `tell` led to. Raises HostChangeFailed with its reason."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._answer, "rb", buffering=0)
        )
        try:
            said = await reader.read()
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
        return Changed(tuple(answer["steps"]), tuple(answer["recovered"]), tuple(answer["warnings"]))


def _serve(questions: int, answers: int) -> None:
    """The child's life; never returns."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent decides, and undoes what was done here
            signal.signal(number, signal.SIG_IGN)
        _load_ahead()
        with os.fdopen(questions, "rb") as source:
            question = source.read()
        if question:
            with os.fdopen(answers, "wb") as to:
                to.write(json.dumps(_answer(json.loads(question))).encode())
    except BaseException:  # noqa: BLE001  whatever it is, the parent's code must not run twice
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def _load_ahead() -> None:
    from pyroute2 import AsyncIPRoute

    from appliance.apply import engine

    del AsyncIPRoute, engine


def _answer(question: Mapping[str, Any]) -> dict[str, Any]:
    from appliance.plugin_host import PluginHost
    from appliance.profile.model import profile_model

    try:
        plugins = PluginHost.load(question["plugins"])
        profile = profile_model(plugins.sections).model_validate(question["profile"])
        work = apply(
            profile,
            Path(question["state_dir"]),
            plugins.plan,
            confirm_within=question["confirm_within"],
            admin=question["admin"],
        )
        return asyncio.run(work)._asdict()
    except ApplianceError as error:
        return {"error": {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}}
    except OSError as error:
        return {"error": {"message": f"the host refused: {error}"}}


def _changed(result: ApplyResult) -> Changed:
    return Changed(
        tuple(step.summary for step in result.plan.steps), tuple(step.summary for step in result.recovered), result.plan.warnings
    )
