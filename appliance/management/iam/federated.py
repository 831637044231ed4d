"""Users whom somebody else vouches for: how they are found, which roles they get, and what they are called. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import Final

from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam.users import RESERVED, RESERVED_START

EVERYBODY: Final = "*"
"""The group that all have."""
MOST_NAMES: Final = 20
"""Names that are tried for a new user before one is taken that nobody has."""
MOST_GROUPS: Final = 4096
LONGEST_SUBJECT: Final = 2048
_LONGEST: Final = 50
"""Characters of a name that is proposed: behind it there is room for a number."""


class LogInRefused(ApplianceError):
    """Who comes is known to somebody else, and may not come in here."""

    exit_code = ExitCode.PERMISSION


def key_of(login: str, subject: str) -> str:
    """Under which key it is kept whose subject that is. By name and e-mail nobody is found: both can be chosen there."""
    return f"{login}/{sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()}"


def roles_of(groups: Collection[str], by_group: Mapping[str, Collection[str]]) -> frozenset[str]:
    """The roles that these groups bring. Groups that the profile does not name bring nothing."""
    mine = {EVERYBODY, *groups}
    return frozenset(role for group, given in by_group.items() if group in mine for role in given)


def names(proposed: str, number: str) -> Iterator[str]:
    """Names for a new user, to be tried in turn; each is one by the rules. `number`: the user's id, so the last is free."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", proposed.partition("@")[0].lower())
    plain = re.sub(r"^[^a-z]+", "", plain)[:_LONGEST].rstrip("._-") or "user"
    if plain in RESERVED or plain.startswith(RESERVED_START):
        plain = f"user-{plain}"
    yield plain
    for count in range(2, MOST_NAMES + 1):
        yield f"{plain}-{count}"
    yield f"user-{number}"
