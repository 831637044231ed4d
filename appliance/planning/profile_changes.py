"""Which keys differ between two profiles, for whoever has to judge a change. Values of secret keys are never told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from appliance.api.profile import Profile


class _Absent:
    """Is no value."""


ABSENT: Final = _Absent()


class KeyChange(NamedTuple):
    """One key."""

    key: str
    """Dotted, with numbers for places in lists: "peers.0.allowed"."""
    before: Any
    """As JSON has it; None where it was not there, or its value is secret."""
    after: Any
    """The same of the other profile."""
    kind: str
    """"added", "removed" or "changed"."""
    secret: bool = False
    """Its value is not told."""


def profile_changes(before: Profile, after: Profile, secrets: Collection[str] = ()) -> list[KeyChange]:
    """The keys that differ, in the order of the later profile's model. A list whose length differs is one change."""
    return [_hidden(change, secrets) for change in _differences("", _plain(before), _plain(after))]


def _plain(profile: Profile) -> dict[str, Any]:
    return profile.model_dump(mode="json", by_alias=True)


def _differences(key: str, before: Any, after: Any) -> Iterator[KeyChange]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*after, *before]):
            yield from _differences(f"{key}.{name}" if key else str(name), before.get(name, ABSENT), after.get(name, ABSENT))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{key}.{place}", old, new)
    else:
        yield KeyChange(key, _or_none(before), _or_none(after), _kind(before, after))


def _kind(before: Any, after: Any) -> str:
    if before is None or before is ABSENT:
        return "added"
    return "removed" if after is None or after is ABSENT else "changed"


def _or_none(value: Any) -> Any:
    return None if value is ABSENT else value


def _hidden(change: KeyChange, secrets: Collection[str]) -> KeyChange:
    """Without the values, if the key is a secret, is within one, or has one within it."""
    for secret in secrets:
        if change.key == secret or change.key.startswith(f"{secret}.") or secret.startswith(f"{change.key}."):
            return change._replace(before=None, after=None, secret=True)
    return change
