"""What is known of each enabled plugin, for `appliance plugins`, `appliance status` and the health pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["active", "degraded", "failed"]
Stage = Literal["find", "import", "register", "check", "plan", "identity", "authorize", "start", "run", "stop"]


@dataclass(frozen=True, slots=True)
class PluginFact:
    """One plugin as it is now."""

    name: str
    """What profiles call it."""
    version: str
    """That of its distribution; "" when nothing of that name is installed."""
    distribution: str
    """The distribution that brings it; "" when nothing of that name is installed."""
    state: State
    """`active`: all is well. `degraded`: something of it failed, and what `provides` lists still works. `failed`: nothing of it
    is used."""
    provides: tuple[str, ...] = ()
    """What it registered, in entries such as "transport udp"."""
    stage: Stage | Literal[""] = ""
    """Where the last problem happened; "" when all is well."""
    problem: str = ""
    """The reason, as a sentence; "" when all is well."""
    hint: str = ""
    """What to do about it; "" when all is well, or nothing is known to help."""

    def to_json(self) -> dict[str, Any]:
        """The fact as JSON-able mapping."""
        return {**asdict(self), "provides": list(self.provides)}
