"""What the core gives to everything it opens for a plugin. Each family's services have this, and more of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from math import isfinite
from typing import Any, Protocol

from appliance.api.storage import Storage

Stats = Mapping[str, int | float | str | bool]
"""Figures by name, for people: at most 64, names of at most 64 characters; of text the first 200 are shown."""
MOST_FIGURES, LONGEST_NAME, LONGEST_TEXT = 64, 64, 200


class HasStats(Protocol):
    """What a kind's `open` returns may have this."""

    def stats(self) -> Stats:
        """Figures of it now, for `appliance status --json`. Asked when somebody looks, so it must return at once."""


class Services(Protocol):
    """Calls are made on the event loop of the control process. Everything ends when what was opened is closed."""

    @property
    def section(self) -> Any:
        """The plugin's own section of the profile that is in force now: an instance of the model of its `ProfileSection`. None if
        the profile does not have it, or if the plugin registered none."""

    @property
    def shared(self) -> dict[str, Any]:
        """What the parts of this plugin on this node share, by names that they choose: a router puts something in, an API route
        finds it. Empty when the node starts, and gone when it ends."""

    @property
    def storage(self) -> Storage:
        """What the plugin keeps on this host, over reboots too."""

    def report(self, problem: str) -> None:
        """Tell the admin in a sentence about a problem. It is logged now and then, and `appliance status` shows it until "" says
        that it is over."""

    def spawn(self, work: Awaitable[None], name: str) -> None:
        """Run a task beside. It is cancelled when what was opened is closed; if it fails, the plugin is named."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the daemon's clock (virtual in tests)."""

    def jitter(self) -> float:
        """A random number in [0, 1), to spread what many nodes would do at the same moment."""

    def stats_from(self, source: Callable[[], Stats]) -> None:
        """`source()` gives the figures, as `HasStats.stats` would: for what has no such member, as a context manager made of a
        generator. Until what was opened is closed."""


def judged(told: object) -> Stats:
    """What a source of figures gave, if a status can show it. Raises TypeError or ValueError."""
    if not isinstance(told, Mapping):
        raise TypeError(f"stats gave a {type(told).__name__}, wanted a mapping")
    figures = dict(islice(told.items(), MOST_FIGURES + 1))
    if len(figures) > MOST_FIGURES:
        raise ValueError(f"stats gave more than {MOST_FIGURES} figures")
    for name, value in figures.items():
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise ValueError(f"stats gave {str(name)[:LONGEST_NAME]!r}, which is no name of 1 to {LONGEST_NAME} characters")
        if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not isfinite(value)):
            raise TypeError(f"stats gave {name} as a {type(value).__name__}, wanted a finite number, true, false or text")
    return {name: value[:LONGEST_TEXT] if isinstance(value, str) else value for name, value in figures.items()}
