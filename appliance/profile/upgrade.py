"""Older profiles become current ones: a chain of steps, each from one version of the format to the next.

A step takes a `Document` and returns one, so that keys which move keep their places, and problems found later still point at the
text that the admin wrote. Version 1 is the first, so there are no steps yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.api.profile import PROFILE_VERSION, ProfileSection
from appliance.profile.document import Document, KeyPath, Spot
from appliance.profile.problems import LocatedProblem, located
from appliance.profile.wording import shown

Step = Callable[[Document], Document]
STEPS: Mapping[int, Step] = {}
"""`STEPS[n]` brings a document from version n to n + 1."""


def upgrade(
    document: Document, *, steps: Mapping[int, Step] = STEPS, target: int = PROFILE_VERSION
) -> tuple[Document, list[LocatedProblem]]:
    """The document in the current version. Without the key `profile` it is taken as current; validation finds that the key is
    missing."""
    version = document.tree.get("profile", target)
    if problem := _version_problem(version, steps, target):
        spot = document.spots[("profile",)]
        return document, [located(spot, ("profile",), *problem)]
    for number in range(version, target):
        document = steps[number](document)
    return with_value(document, ("profile",), target) if "profile" in document.tree else document, []


def upgrade_section(document: Document, section: ProfileSection) -> tuple[Document, list[LocatedProblem]]:
    """The same for a plugin's section, whose own version stands in its key `version` (absent: current)."""
    content = document.tree.get(section.name)
    if not isinstance(content, dict) or "version" not in content or "version" in section.model().model_fields:
        return document, []
    path = (section.name, "version")
    if problem := _version_problem(content["version"], section.upgrades, section.version):
        return document, [located(document.spots[path], path, *problem)]
    version, content = content["version"], {key: value for key, value in content.items() if key != "version"}
    for number in range(version, section.version):
        content = section.upgrades[number](content)
    return with_value(document, (section.name,), content), []


def move(document: Document, old: KeyPath, new: KeyPath) -> Document:
    """The document with the value at `old` at `new` instead. For steps. Its place goes with it."""
    *parents, key = old
    tree = _copy(document.tree)
    holder = _at(tree, tuple(parents))
    if not isinstance(holder, dict) or key not in holder:
        return document
    value = holder.pop(key)
    *new_parents, new_key = new
    target = tree
    for step in new_parents:
        target = target.setdefault(step, {})
    target[new_key] = value
    spots: dict[KeyPath, Spot] = {}
    for path, spot in document.spots.items():
        spots[new + path[len(old) :] if path[: len(old)] == old else path] = spot
    for length in range(1, len(new)):
        spots.setdefault(new[:length], spots[new])
    return Document(tree, spots)


def with_value(document: Document, path: KeyPath, value: Any) -> Document:
    """The document with another value at a path that is there. Places stay."""
    tree = _copy(document.tree)
    *parents, key = path
    _at(tree, tuple(parents))[key] = value
    return Document(tree, document.spots)


def _version_problem(version: object, steps: Mapping[int, Any], target: int) -> tuple[str, str] | None:
    if isinstance(version, bool) or not isinstance(version, int):
        return f"the version is a number, found {shown(version)}", f"this appliance writes {target}"
    if version > target:
        return (
            f"version {version} is newer than this appliance, which reads up to {target}",
            "upgrade the appliance or its plugin",
        )
    if any(number not in steps for number in range(version, target)):
        return f"there is no version {version}", f"this appliance reads {min(steps, default=target)} to {target}"
    return None


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(child) for key, child in value.items()}
    return [_copy(child) for child in value] if isinstance(value, list) else value


def _at(tree: Any, path: KeyPath) -> Any:
    for step in path:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree
