"""Every call into a plugin's code while the node runs: caught, limited in time, told to the plugin's account, survived.

What does not wait is called by `call` and may take HELD_UP seconds, since the whole node waits for it. What may wait is called by
`attend`, in a task of its own, which is left behind when it does not end. Whatever a plugin raises becomes a PluginFault, but for
what its contract lets it raise. A plugin that held up the node is not asked again (`forgive` ends that).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from appliance.errors import PluginFault
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.patience import TookTooLong, as_exception, limited, place
from appliance.plugin_host.calling import describe
from appliance.plugin_host.storage import KeptFolder
from appliance.runtime.plugins.account import Part, PluginAccount

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.api.services import Stats
    from appliance.plugin_host.facts import Stage

log = get_logger("plugins")

HELD_UP: Final = 3.0
"""Seconds for which a plugin may keep the event loop from turning: `appliance status` still gets its answer, no session is lost,
and a call that takes milliseconds passes also where the host is busy."""
GRACE: Final = 0.5
"""Seconds that a call gets to end when its caller is cancelled."""
TELL_EVERY: Final = 60.0
"""Seconds between two log lines about the same failure."""
HINT: Final = "mend or disable the plugin; `appliance plugins` shows how each one is"

Result = TypeVar("Result")


class Late(TookTooLong):
    """A call has waited for too long. The node went on meanwhile."""


class PluginCalls:
    """Calls into plugins. `account` hears how they went; None: nobody does. `profile()` is the one in force, `kept` the folder
    of what plugins keep; None: they keep nothing."""

    def __init__(
        self, account: PluginAccount | None = None, profile: Callable[[], Profile] | None = None, kept: Path | None = None
    ) -> None:
        self._account = account
        self._profile = profile
        self._kept = kept
        self._shared: dict[str, dict[str, Any]] = {}
        self._hanging: set[Part] = set()
        self.sources: dict[Callable[[], Stats], Part] = {}
        """What tells figures of which part, as long as that is open (`plugins.stats`)."""

    def call(self, part: Part, deed: Callable[[], Result], *expected: type[Exception]) -> Result:
        """What `deed` returns. Raises `expected` as they are, and PluginFault for anything else that goes wrong."""
        self.refuse_hanging(part)
        try:
            result = limited(deed, HELD_UP)
        except expected:
            raise
        except Exception as error:
            raise self.failed(part, error) from error
        self.well(part)
        return result

    async def attend(
        self, part: Part, deed: Callable[[], Awaitable[Result]], seconds: float, *expected: type[Exception]
    ) -> Result:
        """The same for what may wait, for at most so many seconds."""
        self.refuse_hanging(part)
        task = asyncio.get_running_loop().create_task(_caught(deed), name=f"{part.noun} {part.kind} {part.member}")
        try:
            await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
            raise
        if not task.done():
            late = Late(f"did not end within {seconds:g} s{place(_innermost(task))}")
            task.cancel()
            raise self.failed(part, late) from late
        result, error = task.result()
        if error is not None:
            if isinstance(error, expected):
                raise error
            raise self.failed(part, error) from error
        self.well(part)
        return result  # type: ignore[return-value]  # there is one when there is no error

    def failed(self, part: Part, error: BaseException | str, stage: Stage = "run") -> PluginFault:
        """Tell what went wrong with a part. Returns what may be raised for that."""
        reason = error if isinstance(error, str) else describe(as_exception(error))
        if isinstance(error, TookTooLong) and not isinstance(error, Late):
            self._hanging.add(part)
        problem = f"{part.member} {reason}".strip()
        owner = self.owner(part)
        if self._account is not None:
            self._account.note(part, problem, stage)
        if times := once_per(TELL_EVERY, f"plugin {part} {problem}"):
            log.error("a plugin failed", plugin=owner, part=f"{part.noun} {part.kind}", reason=problem, times=times)
        return PluginFault(owner, f"{part.noun} {part.kind}: {problem}", hint=HINT)

    def authorized(self, plugin: str, error: Exception | None) -> None:
        """How asking a plugin who may do what went: its opinion counts as a deny as long as it fails."""
        part = Part("authorize", plugin, "appliance_authorize")
        if error is None:
            self.well(part)
        else:
            self.failed(part, describe(error))

    def well(self, part: Part) -> None:
        """A part works (again)."""
        if self._account is not None:
            self._account.note(part, "")

    def reported(self, part: Part, problem: str) -> None:
        """A part tells of trouble; "" says that it is over."""
        if self._account is not None:
            self._account.note(part, problem)
        if problem and (times := once_per(TELL_EVERY, f"plugin {part} {problem}")):
            log.warning("a plugin has trouble", part=f"{part.noun} {part.kind}", reason=problem, times=times)

    def section(self, part: Part) -> Any:
        """What the profile in force says in the section of the plugin that a part is from; None for nothing."""
        return None if self._account is None or self._profile is None else self._account.section(part, self._profile())

    def shared(self, part: Part) -> dict[str, Any]:
        """What all parts of the plugin that this one is from share."""
        return self._shared.setdefault(self.owner(part), {})

    def storage(self, part: Part) -> KeptFolder:
        """What that plugin keeps."""
        return KeptFolder(self._kept, self.owner(part))

    def stats(self) -> dict[str, int]:
        """Members of plugins that are not asked any more, and sources of figures."""
        return {"hanging": len(self._hanging), "sources": len(self.sources)}

    def hangs(self, part: Part) -> bool:
        """Did it hold up the node, so that it is not asked any more?"""
        return part in self._hanging

    def forgive(self) -> None:
        """Ask again what held up the node before: somebody looked at it, and wants the node to try."""
        self._hanging.clear()

    def owner_of(self, error: BaseException) -> str | None:
        """The plugin whose code raised."""
        return None if self._account is None else self._account.of_error(error)

    def owner(self, part: Part) -> str:
        """The plugin that a part is from; the kind itself where nobody knows."""
        return (self._account and self._account.owner(part)) or part.kind

    def refuse_hanging(self, part: Part) -> None:
        """Raises PluginFault for a part that held up the node."""
        if part in self._hanging:
            owner = self.owner(part)
            raise PluginFault(
                owner,
                f"{part.noun} {part.kind}: {part.member} held up the node and is not asked again",
                hint=f"{HINT}; a reload asks it again",
            )


async def _caught(deed: Callable[[], Awaitable[Result]]) -> tuple[Result | None, Exception | None]:
    """Await the deed, and pass on what it raises as an Exception: asyncio would end the loop for a task that ends with
    sys.exit."""
    try:
        return await deed(), None
    except BaseException as error:  # noqa: BLE001  told to whoever waits
        return None, as_exception(error)


def _innermost(task: asyncio.Task[object]) -> FrameType | None:
    """Where a task waits, seen from outside of asyncio."""
    frame: FrameType | None = None
    work: object = task.get_coro()
    while work is not None:
        inner: FrameType | None = getattr(work, "cr_frame", None)
        if inner is not None and not str(inner.f_globals.get("__name__")).startswith("asyncio."):
            frame = inner
        work = getattr(work, "cr_await", None)
    return frame
