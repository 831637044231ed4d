"""The model a profile is validated with: the core's keys, and those that plugins add.

Sections are values of their own below a profile. Kinds only constrain the mappings below `transports`, `routing`, `discovery` and
so on, and those of the API server below `management`: the profile keeps them as plain mappings, and who opens a kind makes its
settings from them (`api.kinds`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr, create_model, model_validator
from pydantic.fields import FieldInfo

from appliance.api.profile import Management, Profile, ProfileSection, Routing, Section
from appliance.profile import fields


class Kind(Protocol):
    """What is needed of a kind (`api.kinds.Kind`)."""

    @property
    def name(self) -> str:
        """The key below the section of its family."""

    @property
    def settings(self) -> Callable[[], type[Any]] | None:
        """Returns the model of its settings. None: it has none."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """Registered kinds. None means that they are not known yet: then any name and any mapping is taken."""

    transports: Sequence[Kind] | None = None
    routing: Sequence[Kind] | None = None
    discovery: Sequence[Kind] | None = None
    monitoring: Sequence[Kind] | None = None
    protocols: Sequence[Kind] | None = None
    store: Sequence[Kind] | None = None
    cache: Sequence[Kind] | None = None
    exports: Sequence[Kind] | None = None
    logins: Sequence[Kind] | None = None
    gateways: Sequence[Kind] | None = None
    servers: Sequence[Kind] | None = None

    def known(self, section: type[BaseModel]) -> Iterator[tuple[str, Sequence[Kind]]]:
        """The families that stand below keys of that section, with their kinds where those are known."""
        for family in Kinds.__dataclass_fields__:
            known = getattr(self, family)
            if known is not None and family in section.model_fields:
                yield family, known


class NoSettings(Section):
    """This kind has no settings."""


class _StrictRouting(Routing):
    """`Routing` that takes the settings of known kinds only."""

    model_config = ConfigDict(extra="forbid")


class _One(Section):
    """One kind at most."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) > 1:
            raise ValueError("only one can be used at a time")
        return self


def profile_model(sections: Iterable[ProfileSection] = (), kinds: Kinds | None = None) -> type[Profile]:
    """`Profile` with the sections of plugins; with `kinds`, strict about what stands below the sections of their families."""
    extra: dict[str, Any] = {
        f"section_{section.name}": (
            section.model() | None,
            Field(default=None, alias=section.name, description=_summary(section.model())),
        )
        for section in sections
    }
    if kinds:
        extra |= _strict(Profile, kinds)
        if of_the_api_server := _strict(Management, kinds):
            model = create_model("Management", __base__=Management, __doc__=Management.__doc__, **of_the_api_server)
            extra["management"] = (model | None, Field(default=None, description=Management.__doc__))
    return create_model("Profile", __base__=Profile, __doc__=Profile.__doc__, **extra) if extra else Profile


def _strict(section: type[Section], kinds: Kinds) -> dict[str, Any]:
    """Fields that take known kinds only, in place of those of the section."""
    found: dict[str, Any] = {}
    for family, known in kinds.known(section):
        field = section.model_fields[family]
        model = _kinds_model(family, known, field)
        found[family] = (model, Field(default_factory=model, description=field.description))
    return found


def is_model(value: object) -> bool:
    """Can settings be judged by it?"""
    return isinstance(value, type) and issubclass(value, BaseModel)


def secret_keys(sections: Iterable[ProfileSection], kinds: Kinds | None = None) -> frozenset[str]:
    """Dotted keys whose values are never shown."""
    named = (f"{section.name}.{key}" for section in sections for key in section.secret_fields)
    return frozenset([*named, *(_secrets_of(kinds) if kinds else ())])


def _secrets_of(kinds: Kinds) -> Iterator[str]:
    """Settings of kinds whose type says that they are secret: the profile keeps them as they were written."""
    for section, before in ((Profile, ""), (Management, "management.")):
        for family, known in kinds.known(section):
            for kind in known:
                if kind.settings is not None:
                    yield from (f"{before}{family}.{kind.name}.{key}" for key in _secret_fields(kind.settings()))


def _secret_fields(model: type[BaseModel]) -> Iterator[str]:
    for key in fields.known_keys(model):
        if fields.type_at(model, (key,)) in {SecretStr, SecretBytes}:
            yield key
        elif (below := fields.model_at(model, (key,))) is not None:
            yield from (f"{key}.{inner}" for inner in _secret_fields(below))


def _kinds_model(family: str, known: Sequence[Kind], field: FieldInfo) -> type[Section]:
    keys: dict[str, Any] = {}
    for index, kind in enumerate(known):
        model = kind.settings() if kind.settings else NoSettings
        keys[f"kind_{index}"] = (model | None, Field(default=None, alias=kind.name, description=_summary(model)))
    strict: dict[str, type[Section]] = {"routing": _StrictRouting, "store": _One, "cache": _One}
    base = strict.get(family, Section)
    return create_model(family.capitalize(), __base__=base, __doc__=field.description, **keys)


def _summary(model: Any) -> str:
    text = model.__doc__ if isinstance(model, type) and issubclass(model, BaseModel) else None
    return (text or "").strip().partition("\n\n")[0].replace("\n", " ")
