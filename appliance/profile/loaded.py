"""A loaded profile: the frozen model, and for each key where it was set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from appliance.api.profile import Profile
from appliance.api.values import Problem
from appliance.profile.document import Document, KeyPath, dotted, walk
from appliance.profile.problems import LocatedProblem, ProfileInvalid, in_order, located

HIDDEN = "••••••"


class Origin(NamedTuple):
    """Where a key was set."""

    kind: Literal["file", "environment", "credential", "default"]
    name: str = ""
    """The file, or the name of the variable or credential; empty for a default."""
    line: int = 0
    """0 for a default."""
    column: int = 0
    """0 for a default."""

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        return f"{self.name}:{self.line}:{self.column}" if self.kind == "file" else self.name


class Setting(NamedTuple):
    """One key of `appliance config show`."""

    path: str
    """The dotted key."""
    value: Any
    """Plain JSON, in the form that it has in a profile."""
    origin: Origin


@dataclass(frozen=True)
class LoadedProfile:
    """What `load` returns."""

    profile: Profile
    document: Document = field(repr=False)
    """Its text, with the place of each key."""
    files: tuple[Path, ...]
    """The files that were read, in the order in which they were merged: whoever waits for changes watches these."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Dotted keys whose values must not be shown."""
    warnings: tuple[str, ...] = ()
    """Sentences about what will not work on this host for now."""

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where each key of `settings` was set."""
        return {setting.path: setting.origin for setting in self.settings}

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """Every key that has a value, in the order of the profile, defaults included. Secrets are hidden."""
        tree = self.profile.model_dump(mode="json", by_alias=True)
        leaves = [(path, value) for path, value in walk(tree) if path and not (isinstance(value, dict | list) and value)]
        return tuple(Setting(dotted(path), self._visible(path, value), self._origin(path)) for path, value in leaves)

    def invalid(self, problems: Iterable[Problem]) -> ProfileInvalid:
        """What plugins or the host found wrong with this profile, as an error with the places of the keys."""
        return ProfileInvalid(in_order(locate(self.document, problems, self.secrets)))

    def _visible(self, path: KeyPath, value: Any) -> Any:
        hidden = any(dotted(path[:length]) in self.secrets for length in range(1, len(path) + 1))
        return HIDDEN if hidden and value is not None else value

    def _origin(self, path: KeyPath) -> Origin:
        spot = self.document.spots.get(path)
        if spot is None:
            return Origin("default")
        return Origin(spot.source.kind, spot.source.name, spot.line, spot.column)


def locate(document: Document, problems: Iterable[Problem], secrets: Collection[str] = ()) -> list[LocatedProblem]:
    """The problems with the places of their keys. For a key that was not written, the place of the nearest one above it."""
    by_text = {dotted(path): path for path in document.spots}
    found = []
    for problem in problems:
        parts = problem.path.split(".")
        known = next((text for n in range(len(parts), 0, -1) if (text := ".".join(parts[:n])) in by_text), "")
        spot = document.spots[by_text.get(known, ())]
        hidden = any(problem.path == secret or problem.path.startswith(f"{secret}.") for secret in secrets)
        place = located(spot, (), problem.message, problem.hint, at_key=known != problem.path, secret=hidden)
        found.append(place._replace(path=problem.path))
    return found
