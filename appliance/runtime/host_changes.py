"""Brings the host to what the profile says, and back.

At start this is done by a forked child, while the parent goes on starting: what it takes to talk to the kernel (a third of a
second of imports, 15 MB) is used once and gone with the child.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
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


async def undo(state_dir: Path) -> int:
    """Bring the host back to what it was before the first apply. Returns how many steps that took."""
    from appliance.apply import engine

    return len((await engine.rollback(state_dir)).steps)


class Child:
    """A forked process that applies a profile. To be made before there is an event loop or a thread."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Changed]]) -> None:
        self._answer, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._answer)
            _serve(work, theirs)
        os.close(theirs)
        self._alive = True

    async def gone(self) -> None:
        """Wait until the process has ended. Safe to call twice."""
        if self._alive:
            await asyncio.to_thread(os.waitpid, self.pid, 0)
            self._alive = False

    async def result(self) -> Changed:
        """Wait for its end. Raises HostChangeFailed with its reason."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._answer, "rb", buffering=0)
        )
        try:
            said = await asyncio.shield(reader.read())
        finally:
            transport.close()
        await self.gone()
        if not said:
            raise HostError(
                "the process that applies the profile died",
                hint="`appliance rollback` brings the host back; look at its words above",
            )
        answer = json.loads(said)
        if "error" in answer:
            raise HostChangeFailed(**answer["error"])
        return Changed(tuple(answer["steps"]), tuple(answer["recovered"]), tuple(answer["warnings"]))


def _serve(work: Callable[[], Coroutine[Any, Any, Changed]], to: int) -> None:
    """The child's life; never returns."""
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent decides, and undoes what was done here
            signal.signal(number, signal.SIG_IGN)
        answer: dict[str, Any]
        try:
            answer = asyncio.run(work())._asdict()
        except ApplianceError as error:
            answer = {"error": {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}}
        except OSError as error:
            answer = {"error": {"message": f"the host refused: {error}"}}
        os.write(to, json.dumps(answer).encode())
        code = 0
    except BaseException:  # noqa: BLE001  whatever it is, the parent's code must not run twice
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _changed(result: ApplyResult) -> Changed:
    return Changed(
        tuple(step.summary for step in result.plan.steps), tuple(step.summary for step in result.recovered), result.plan.warnings
    )
