"""How a node is, as one value: what status, metrics, the service manager's watchdog, subscribers and the doctor say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

OK = "ok"


@dataclass(frozen=True, slots=True)
class Health:
    """A node's health at one moment."""

    components: Mapping[str, str]
    """Each part by name: "ok", or a sentence that says what is wrong with it."""
    ready: bool
    """The node has started, and has not begun to stop."""
    alive: bool = True
    """Its workers answer. If not, and for long, the service manager starts the node anew."""

    @property
    def problems(self) -> dict[str, str]:
        """The parts that are not well."""
        return {name: problem for name, problem in self.components.items() if problem != OK}

    @property
    def state(self) -> str:
        """In a word: "running" or "degraded"."""
        return "degraded" if self.problems else "running"

    def document(self) -> dict[str, Any]:
        """For programs; `state` is left to the status."""
        problems = self.problems
        return {"ok": not problems, "ready": self.ready, "problems": problems}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """What a status or a health document tells of it: of its parts those that are not well."""
        return cls(dict(document.get("problems") or {}), bool(document.get("ready", True)))
