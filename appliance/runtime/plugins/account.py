"""Writes what goes wrong with a plugin while the node runs to the account of the plugin it is from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.plugin_host import PluginHost
    from appliance.plugin_host.facts import Stage

Registered = Literal[
    "transport", "suite", "routing", "discovery", "monitor", "protocol", "store", "cache", "export", "login", "gateway", "server"
]
OfItself = Literal["lifespan", "subscriber", "route", "authorize", "task"]
Noun = Registered | OfItself
Tell = Callable[[Noun, str, str], None]
"""(noun, kind, problem): how a running thing is; "" when it is well (again)."""
OF_ITSELF: frozenset[Noun] = frozenset({"lifespan", "subscriber", "route", "authorize", "task"})
"""Not registered by a name: the kind is the plugin's own name."""


def nobody(_noun: Noun, _kind: str, _problem: str) -> None:
    """Nobody keeps an account."""


class Part(NamedTuple):
    """A piece of a plugin that is called: what it was registered as, and the member."""

    noun: Noun
    kind: str
    member: str = ""


class PluginAccount:
    """What does not run at the moment. A plugin is well again when all that is its own is."""

    def __init__(self, plugins: PluginHost) -> None:
        self._plugins = plugins
        self._problems: dict[Part, str] = {}

    def tell(self, noun: Noun, kind: str, problem: str) -> None:
        """Say how a kind is (`Tell`). A kind that comes from no plugin is on nobody's account."""
        self.note(Part(noun, kind), problem)

    def note(self, part: Part, problem: str, stage: Stage = "run") -> None:
        """The same for one member of it. What happened at another stage than "run" stays."""
        owner = self.owner(part)
        if owner is None or self._problems.get(part, "") == problem:
            return
        if stage != "run":
            self._plugins.blame(owner, stage, f"{part.noun} {part.kind}: {problem}")
            return
        self._problems.pop(part, None)
        if problem:
            self._problems[part] = problem
        self._plugins.cleared(owner, "run")
        for other, trouble in self._problems.items():
            if self.owner(other) == owner:
                self._plugins.blame(owner, "run", f"{other.noun} {other.kind}: {trouble}")

    def section(self, part: Part, profile: Profile) -> Any:
        """What `profile` says in the section of the plugin that a part is from; None for nothing."""
        owner = self.owner(part)
        return None if owner is None else self._plugins.section_of(owner, profile)

    def owner(self, part: Part) -> str | None:
        """The plugin that a part is from."""
        return part.kind if part.noun in OF_ITSELF else self._plugins.owner(part.noun, part.kind)

    def of_error(self, error: BaseException) -> str | None:
        """The plugin whose code raised."""
        return self._plugins.owners.of_error(error)
