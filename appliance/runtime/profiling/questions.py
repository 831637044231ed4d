"""What the operations `debug_profile` and `debug_memory` do, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance.api.management import Refused
from appliance.errors import ExitCode
from appliance.foundation import contents, sampling
from appliance.foundation.aside import Aside, Busy
from appliance.linux import usage
from appliance.runtime.plugins.routes import BadArguments
from appliance.runtime.profiling import worker

if TYPE_CHECKING:
    from appliance.runtime.workers.keeper import WorkerKeeper

HERTZ: Final = 100
SECONDS: Final = 10.0
LATE_SECONDS: Final = 10.0
"""How much longer than it should a thread may take on a busy host."""


class Profiling:
    """Remembers what is under way."""

    def __init__(self) -> None:
        self._threads = Aside("profiler", 1)
        self._worker_asked = False

    async def profile(self, args: Mapping[str, Any], keeper: WorkerKeeper) -> dict[str, Any]:
        """Where the control process is, or worker number `worker`, so many times (`hertz`) in a second for so many `seconds`.
        Raises BadArguments, Refused."""
        number, seconds, hertz = _arguments(args)
        if number is None:
            return {"process": "control", "hertz": hertz} | await self._control(seconds, hertz)
        hertz = min(hertz, worker.MOST_HERTZ)
        return {"process": f"worker {number}", "hertz": hertz} | await self._worker(keeper, number, seconds, hertz)

    async def memory(self, pid: int) -> dict[str, Any]:
        """What the control process (`pid`) holds. Raises Refused."""
        found = usage.usage(pid)
        held = await self._in_thread(contents.contents, LATE_SECONDS)
        return {"process": "control", "memory": None if found is None else found.memory, **held}

    async def _control(self, seconds: float, hertz: int) -> dict[str, Any]:
        stop = threading.Event()
        try:
            return await self._in_thread(lambda: sampling.sample(seconds, hertz, stop), seconds + LATE_SECONDS)
        finally:
            stop.set()

    async def _in_thread(self, deed: Any, seconds: float) -> dict[str, Any]:
        try:
            result: dict[str, Any] = await self._threads.run(deed, seconds)
        except Busy:
            raise _busy() from None
        return result

    async def _worker(self, keeper: WorkerKeeper, number: int, seconds: float, hertz: int) -> dict[str, Any]:
        living = () if keeper.current is None else keeper.current.living
        if number >= len(living):
            raise Refused(f"there is no worker {number}", hint=f"there are {len(living)}, counted from 0")
        if self._worker_asked:
            raise _busy()
        self._worker_asked = True
        try:
            return await worker.sample(living[number], seconds, hertz)
        finally:
            self._worker_asked = False


def _busy() -> Refused:
    return Refused("somebody is asking the same already", hint="try again in a minute", exit_code=ExitCode.RETRY)


def _arguments(args: Mapping[str, Any]) -> tuple[int | None, float, int]:
    """Worker, seconds and hertz. Raises BadArguments."""
    unknown = args.keys() - {"worker", "seconds", "hertz"}
    if unknown:
        raise BadArguments(f"debug_profile: there is no argument {min(unknown)}", hint="there are worker, seconds and hertz")
    number, seconds, hertz = args.get("worker"), args.get("seconds", SECONDS), args.get("hertz", HERTZ)
    if not (number is None or (_is_number(number, int) and number >= 0)):
        raise BadArguments("debug_profile: worker is the number of a worker, from 0 on; without it the control process is meant")
    if not _is_number(seconds, int | float) or not 0 < seconds <= sampling.MOST_SECONDS:
        raise BadArguments(f"debug_profile: seconds is a number up to {sampling.MOST_SECONDS}")
    if not _is_number(hertz, int) or not 1 <= hertz <= sampling.MOST_HERTZ:
        raise BadArguments(f"debug_profile: hertz is a whole number from 1 to {sampling.MOST_HERTZ}")
    return number, float(seconds), hertz


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
