"""Who may change what about whom. Nobody gives what he does not have, and nobody takes from somebody who has more.

The rules are about an actor: the roles of who asks, and the scopes of the token he asks with, if it is a program's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam import roles
from appliance.management.iam.roles import ADMIN
from appliance.management.iam.users import LastAdmin, User, is_admin

Added = Mapping[str, Collection[str]]


HOST: Final = "host"
"""Who acts on the host itself, and is no user."""


class NotPermitted(ApplianceError):
    """Who asks may not do that, whatever is asked otherwise."""

    exit_code = ExitCode.PERMISSION


class Actor(NamedTuple):
    """Who changes something."""

    user: str
    """The user's id; "" for somebody on the host itself, who is an admin."""
    roles: tuple[str, ...]
    scopes: tuple[str, ...] | None = None
    """All that his token may do; None: whatever the roles permit."""

    @property
    def named(self) -> str:
        """The user's id, or HOST."""
        return self.user or HOST


def may_give(actor: Actor, given: Collection[str], added: Added) -> None:
    """May he make somebody have these roles? Raises NotPermitted."""
    if not _has(actor, given, added):
        raise NotPermitted(
            "nobody gives a role that may more than he may himself", hint="ask an admin, or choose roles within your own"
        )


def may_change(actor: Actor, user: User, added: Added) -> None:
    """May he change this user, or take a role away? Raises NotPermitted.

    Everybody may change himself, but his programs may not: one with a token for managing users would give its owner another
    password, and log in as him.
    """
    if not _has(actor, user.roles, added):
        raise NotPermitted(f"{user.name} may do more than you, so you may not change him", hint="ask an admin")


def not_himself(actor: Actor, user: User) -> None:
    """His own password and second factor nobody changes without the password: a token may be stolen. Raises NotPermitted."""
    if user.id == actor.user:
        raise NotPermitted("that is you", hint="use the operation for oneself, which asks for your password")


def may_scope(actor: Actor, scopes: Collection[str], added: Added) -> None:
    """May he make a token that may do this? Raises NotPermitted."""
    for scope in scopes:
        inside = actor.scopes is None or scope in actor.scopes
        if not inside or not (scope == "self" or roles.permits(actor.roles, scope, added)):
            raise NotPermitted(f"a token cannot have {scope[:100]!r}: you may not do that yourself", hint="leave it out")


def admins_after(admins: Collection[str], before: User | None, after: User | None) -> list[str]:
    """The ids of the admins once `before` has become `after` (None: is not there). Raises LastAdmin."""
    left = set(admins)
    if before is not None:
        left.discard(before.id)
    if after is not None and is_admin(after):
        left.add(after.id)
    if not left and before is not None and is_admin(before):
        raise LastAdmin("there has to be an admin, and this is the last one", hint="make somebody else an admin first")
    return sorted(left)


def _has(actor: Actor, wanted: Collection[str], added: Added) -> bool:
    """Does the actor have all that these roles have?"""
    if not roles.covers(actor.roles, wanted, added):
        return False
    return actor.scopes is None or (ADMIN not in wanted and roles.permissions_of(wanted, added) <= set(actor.scopes))
