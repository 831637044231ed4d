"""Which versions of the plugin API a plugin is made for, as its entry point says behind the module: `[api-1.2, below-1.9]`. Pure.

The extras of an entry point are the one place that every build tool passes on and that can be read without importing the plugin,
which may import names that an older appliance does not have.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from appliance.api import API_MINOR, API_VERSION, ENTRY_POINT_GROUP

Version = tuple[int, int]
HERE: Version = (API_VERSION, API_MINOR)
"""The version that this appliance has."""

_EXTRAS = re.compile(r"\[([^\]]*)\]\s*$")
_BOUND = re.compile(r"(api|below)-([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)


class Refusal(NamedTuple):
    """Why a plugin is not loaded, in a sentence, and what to do."""

    reason: str
    hint: str


def refusal(value: str, distribution: str, here: Version = HERE) -> Refusal | None:
    """What keeps a plugin with the entry point `value` from working with version `here` of the API. None: nothing known."""
    bounds: dict[str, Version] = {}
    for extra in _extras(value):
        found = _BOUND.fullmatch(extra)
        if found is None:
            known = "write [api-1.2] for versions from 1.2 on, [api-1.2, below-1.9] for those before 1.9"
            return Refusal(f"its entry point says [{extra}], which is no version of the plugin API", known)
        bounds[found[1]] = (int(found[2]), int(found[3]))
    least, below = bounds.get("api", (0, 0)), bounds.get("below")
    if here < least:
        return Refusal(
            f"it needs version {_text(least)} of the plugin API, and this appliance has {_text(here)}",
            f"upgrade the appliance, or install an older {distribution}",
        )
    if below is not None and here >= below:
        return Refusal(
            f"it is made for versions of the plugin API before {_text(below)}, and this appliance has {_text(here)}",
            f"upgrade {distribution}",
        )
    return None


def said(value: str) -> str:
    """The range that the entry point `value` says, for people: "1.2 to below 1.9", "any" where it says none."""
    bounds = {found[1]: f"{found[2]}.{found[3]}" for extra in _extras(value) if (found := _BOUND.fullmatch(extra))}
    least, below = bounds.get("api"), bounds.get("below")
    if least and below:
        return f"{least} to below {below}"
    if least:
        return f"{least} on"
    return f"below {below}" if below else "any"


def of_another_api(groups: frozenset[str]) -> Refusal | None:
    """The same for a plugin that is in none of our group of entry points, but in these."""
    prefix = ENTRY_POINT_GROUP.removesuffix(str(API_VERSION))
    numbers = [group.removeprefix(prefix) for group in groups if group.startswith(prefix)]
    others = sorted(int(number) for number in numbers if number.isdecimal())
    if not others:
        return None
    newer = others[-1] > API_VERSION
    made = " and ".join(map(str, others))
    return Refusal(
        f"it is made for version {made} of the plugin API, and this appliance has {_text(HERE)}",
        "upgrade the appliance, or install an older version of the plugin" if newer else "upgrade the plugin",
    )


def _extras(value: str) -> list[str]:
    found = _EXTRAS.search(value)
    return [extra.strip() for extra in found[1].split(",") if extra.strip()] if found else []


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
