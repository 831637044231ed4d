"""Values with commas between, as options have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from appliance.cli.parser import UsageError
from appliance.members.scope import Role

Value = TypeVar("Value")


def several(option: str, text: str | None, read: Callable[[str], Value]) -> tuple[Value, ...]:
    """Each of them as `read` reads it. Raises UsageError where that raises ValueError."""
    try:
        return tuple(read(word) for word in (text or "").split(",") if word)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint="several are written with commas between") from None


def role(text: str) -> Role:
    """A role that is given by name. An issuer's is not: it has a scope. Raises ValueError."""
    if text not in {Role.RELAY, Role.RENDEZVOUS}:
        raise ValueError(f"{text!r} is no role: relay or rendezvous")
    return Role(text)
