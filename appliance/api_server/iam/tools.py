"""What all parts of the accounts share: the store, time, randomness, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.records import Records
from appliance.management.iam.tokens import Realm

NOBODY: Final = "nobody"
"""Of a name that no user has nothing is told but that: it may be a password that was typed in the wrong field."""


class Note(NamedTuple):
    """Something about users and tokens that belongs into the audit log. Holds no secret."""

    what: str
    """As the log has it: "user.login", "user.token.made", …"""
    user: str = NOBODY
    """The id of the user whom it is about."""
    by: str = ""
    """The id of the user who did it, or "host"; "" where it is the same."""
    detail: str = ""
    """A number, an accessor, a reason."""
    denied: bool = False
    """It was refused."""
    address: str = ""
    """Where it came from."""


class Tools(NamedTuple):
    """What all parts share."""

    records: Records
    clock: Callable[[], float]
    """Unix seconds."""
    entropy: Callable[[int], bytes]
    """So many random bytes."""
    hasher: HashingThreads
    realm: Realm
    added: Mapping[str, Collection[str]]
    """Roles of the profile, by name."""
    breached: Callable[[str], bool]
    """Is this password in a list of stolen ones?"""
    note: Callable[[Note], None]
    """Takes what belongs into the audit log."""

    @property
    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())
