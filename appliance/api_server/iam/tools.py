"""What all parts of the accounts share: the store, time, randomness, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from appliance.api.stores import Change
from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.records import Records
from appliance.management.iam.tokens import Realm

NOBODY: Final = "nobody"
"""Of a name that no user has nothing is told but that: it may be a password that was typed in the wrong field."""


CHANGES: Final = frozenset(
    {
        "user.added", "user.registered", "user.changed", "user.removed", "user.password.set", "user.password.changed",
        "user.second-factor.added", "user.second-factor.removed", "user.token.made", "user.token.revoked",
        "user.invitation.made", "user.invitation.revoked", "user.logout.everywhere", "user.keys.rotated", "user.store.rotated",
    }
)  # fmt: skip
"""Notes about what changes who may what. They are kept in the commit of the change itself, so that no crash parts the two."""


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
    """Takes what belongs into the audit log, after it has happened."""
    keep: Callable[[Note], Change]
    """A note as a part of the commit of what it is about; `note` of the same follows."""

    @property
    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())
