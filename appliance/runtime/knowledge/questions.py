"""What callers of the control socket ask about shared knowledge. What a question takes is loaded when somebody asks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from appliance.control.conversation import Operation
from appliance.errors import ApplianceError
from appliance.runtime.knowledge.part import Knowledge, Part

READ: Final = "knowledge.read"
WRITE: Final = "knowledge.write"

Found = Callable[[], Knowledge | None]


class NotShared(ApplianceError):
    """This node takes no part in that kind of shared knowledge."""


def part_of(knowledge: Knowledge | None, name: str) -> Any:
    """The part of that name. Raises NotShared."""
    if knowledge is None:
        raise NotShared("this node is in no network of members", hint="see docs/mesh.md: appliance network, appliance join")
    found: Part | None = knowledge.parts.get(name)
    if found is None:
        raise NotShared(f"this node has no {name}", hint=f"the profile says so: remove mesh.{name}, and apply it")
    return found


def operations(_knowledge: Found) -> dict[str, Operation]:
    """All of them, whether the node has the part or not: what it has not got it says when it is asked."""
    return {}
