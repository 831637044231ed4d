"""The one shape of what plugins register by name and the core opens: transports, routing, discovery and monitoring.

    Kind(name, settings, open)      open(settings, services) -> what the kind's module describes

`name` is what a profile calls it. `settings` returns the pydantic model of what the profile may say of it, so that a profile is
judged before anything runs; a callable, so that registering costs no import of pydantic. None: the kind has no settings.
`open` gets an instance of that model (None where there is no model), and the services of its family (`api.services`).

A crypto suite is no kind of this shape: it is data and an import path, and nothing opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Kind(Protocol):
    """What all kinds have in common. Each family's own type has these first, in this order."""

    @property
    def name(self) -> str:
        """What a profile calls it."""

    @property
    def settings(self) -> Callable[[], type[Any]] | None:
        """Returns the model of its settings. None: it has none."""

    @property
    def open(self) -> Callable[[Any, Any], Any]:
        """Called with the settings and the services of the family."""


def settings_of(kind: Kind, written: Mapping[str, Any]) -> Any:
    """What `kind.open` gets as settings for what a profile says: an instance of the kind's model, None where it has none.

    Raises pydantic's ValidationError (a ValueError) when the model refuses it, ValueError when there is no model for it.
    """
    if kind.settings is not None:
        return kind.settings().model_validate(written)
    if written:
        raise ValueError(f"{kind.name} has no settings, found {', '.join(map(str, written))}")
    return None
