"""What is known of each enabled plugin, for `appliance plugins`, `appliance status` and the health pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["active", "degraded", "failed"]
Stage = Literal["find", "import", "register", "check", "plan", "identity", "authorize", "start", "run", "stop"]


@dataclass(frozen=True, slots=True)
class PluginFact:
    """One plugin as it is now.

    `state`: active (all is well), degraded (something of it failed; what `provides` lists still works) or failed (nothing of it
    is used). `provides` are entries such as "transport udp". `stage` is where the last problem happened, `problem` the reason
    in a sentence and `hint` what to do; all three are empty when all is well.
    """

    name: str
    version: str
    distribution: str
    state: State
    provides: tuple[str, ...] = ()
    stage: Stage | Literal[""] = ""
    problem: str = ""
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fact as JSON-able mapping."""
        return {**asdict(self), "provides": list(self.provides)}
