"""The model a profile is validated with: the core's keys, and those that plugins add.

Sections are values of their own below a profile. Kinds only constrain the mappings below `discovery` and `monitoring`: the
profile keeps them as plain mappings, and who opens a kind makes its settings from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, Field, create_model

from appliance.api.profile import Profile, ProfileSection, Section


class Kind(Protocol):
    """What is needed of a discovery or monitoring kind. One without a `settings` attribute takes any mapping."""

    @property
    def name(self) -> str:
        """The key below `discovery` or `monitoring`."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """Registered kinds. None means that they are not known yet: then any name and any mapping is taken."""

    discovery: Sequence[Kind] | None = None
    monitors: Sequence[Kind] | None = None


def profile_model(sections: Iterable[ProfileSection] = (), kinds: Kinds | None = None) -> type[Profile]:
    """`Profile` with the sections of plugins; with `kinds`, strict about what stands below `discovery` and `monitoring`."""
    extra: dict[str, Any] = {
        f"section_{section.name}": (
            section.model() | None,
            Field(default=None, alias=section.name, description=_summary(section.model())),
        )
        for section in sections
    }
    families = {"discovery": kinds.discovery, "monitoring": kinds.monitors} if kinds else {}
    for family, known in families.items():
        if known is not None:
            description = Profile.model_fields[family].description
            model = _kinds_model(family, known)
            extra[family] = (model, Field(default_factory=model, description=description))
    return create_model("Profile", __base__=Profile, __doc__=Profile.__doc__, **extra) if extra else Profile


def secret_keys(sections: Iterable[ProfileSection]) -> frozenset[str]:
    """Dotted keys whose values are never shown."""
    return frozenset(f"{section.name}.{key}" for section in sections for key in section.secret_fields)


def _kinds_model(family: str, known: Sequence[Kind]) -> type[Section]:
    keys: dict[str, Any] = {}
    for index, kind in enumerate(known):
        settings: Callable[[], type[BaseModel]] | None = getattr(kind, "settings", None)
        model: Any = settings() if settings else Mapping[str, Any]
        keys[f"kind_{index}"] = (model | None, Field(default=None, alias=kind.name, description=_summary(model)))
    return create_model(family.capitalize(), __base__=Section, **keys)


def _summary(model: Any) -> str:
    text = model.__doc__ if isinstance(model, type) and issubclass(model, BaseModel) else None
    return (text or "").strip().partition("\n\n")[0].replace("\n", " ")
