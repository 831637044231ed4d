"""Writes what goes wrong with a running monitor or discoverer to the account of the plugin it is from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from appliance.plugin_host import PluginHost

Noun = Literal["discovery", "monitor"]
Tell = Callable[[Noun, str, str], None]
"""(noun, kind, problem): how a running thing is; "" when it is well (again)."""


def nobody(_noun: Noun, _kind: str, _problem: str) -> None:
    """Nobody keeps an account."""


class PluginAccount:
    """What does not run at the moment. A plugin is well again when all that is its own is."""

    def __init__(self, plugins: PluginHost) -> None:
        self._plugins = plugins
        self._problems: dict[tuple[Noun, str], str] = {}

    def tell(self, noun: Noun, kind: str, problem: str) -> None:
        """Say how a kind is (`Tell`). A kind that comes from no plugin is on nobody's account."""
        owner = self._plugins.owner(noun, kind)
        if owner is None or self._problems.get((noun, kind), "") == problem:
            return
        self._problems.pop((noun, kind), None)
        if problem:
            self._problems[noun, kind] = problem
        self._plugins.cleared(owner, "run")
        for (other_noun, other), trouble in self._problems.items():
            if self._plugins.owner(other_noun, other) == owner:
                self._plugins.blame(owner, "run", f"{other_noun} {other}: {trouble}")
