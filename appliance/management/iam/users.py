"""Users: what is kept of one, and who may change what about whom.

Nobody gives what he does not have: who manages users can neither make himself more than he is, nor change somebody who may more
than he. The last admin stays one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam.roles import ADMIN

MOST_ROLES: Final = 32
"""Roles of one user."""
LONGEST_NAME: Final = 63
RESERVED: Final = frozenset({"profile", "root", "host", "api-server"})
"""`/users/profile` is about whoever asks. The others stand for who is no user, where only a name is told: in reviews, in logs."""
RESERVED_START: Final = "uid-"
"""So begin the names of users of the host."""
LONGEST_DISPLAY: Final = 100
LONGEST_EMAIL: Final = 254
"""RFC 5321, erratum 1690."""

_NAME: Final = re.compile(r"[a-z](?:[a-z0-9._-]{0,61}[a-z0-9])?")
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,253}")


class UserRefused(ApplianceError):
    """That cannot be a user: a rule about names, roles or addresses says no."""

    exit_code = ExitCode.INVALID


class NameTaken(ApplianceError):
    """Another user has this name."""


class LastAdmin(ApplianceError):
    """Without this user nobody would be an admin."""


class State(StrEnum):
    """May the user come in?"""

    ACTIVE = "active"
    LOCKED = "locked"
    """An admin keeps him out for a while: everything is as it was when he is active again."""
    DISABLED = "disabled"
    """He has left: his API tokens are gone for good."""


class User(NamedTuple):
    """A user, as he is kept."""

    id: str
    """Never given twice, unlike names."""
    name: str
    password: str
    """Its hash (PHC); "" for somebody who cannot log in by a password."""
    roles: tuple[str, ...]
    created: int
    """Unix seconds."""
    changed: int
    """Unix seconds."""
    state: str = State.ACTIVE
    display: str = ""
    """How he wants to be called."""
    email: str = ""
    epoch: int = 1
    """All sessions of an earlier epoch are over. It is raised to end them."""
    password_changed: int = 0
    """Unix seconds."""
    totp: str = ""
    """The secret of the authenticator application (base32); "" without."""
    totp_begun: str = ""
    """A secret that was handed out, and not yet confirmed by a code."""
    totp_used: int = 0
    """The period of the last code that was used."""
    recovery: tuple[str, ...] = ()
    """Digests of the recovery codes that are left."""
    origin: str = ""
    """The key of who he is at a log-in of the profile (`federated.key_of`); "" for somebody who has none."""

    def __repr__(self) -> str:
        return f"User({self.id}, {self.name}, {self.state}, {list(self.roles)})"


def judged_name(name: str) -> str:
    """The name as it is kept. Raises UserRefused."""
    if name in RESERVED or name.startswith(RESERVED_START):
        raise UserRefused("this name stands for somebody who is no user", hint="choose another name")
    if not _NAME.fullmatch(name):
        raise UserRefused(
            "a user's name has 1 to 63 characters of a-z, 0-9, dot, dash and underscore", hint="begin with a letter"
        )
    return name


def judged_display(display: str) -> str:
    """Raises UserRefused."""
    if len(display) > LONGEST_DISPLAY or not display.isprintable():
        raise UserRefused(f"a display name has up to {LONGEST_DISPLAY} characters that can be printed", hint="shorten it")
    return display.strip()


def judged_email(email: str) -> str:
    """Raises UserRefused. Only the form is judged: mail to it is what proves an address."""
    if email and (len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email)):
        raise UserRefused("that is no e-mail address", hint="write it as name@example.org, or leave it empty")
    return email


def judged_roles(roles: Collection[str], known: Collection[str]) -> tuple[str, ...]:
    """The roles in order, each once. `known`: built-in ones and those of the profile. Raises UserRefused."""
    unknown = sorted(set(roles) - set(known))
    if unknown or len(roles) > MOST_ROLES:
        raise UserRefused(
            f"there is no role {unknown[0][:LONGEST_NAME]!r}" if unknown else f"a user has up to {MOST_ROLES} roles",
            hint=f"the roles are {', '.join(sorted(known))}",
        )
    return tuple(sorted(set(roles)))


def is_admin(user: User) -> bool:
    """Does he count as one of the admins, of whom one has to be left?"""
    return ADMIN in user.roles and user.state == State.ACTIVE


def ends_sessions(before: User, after: User) -> User:
    """`after`, with a new epoch where the change ends sessions: another password, another second factor, no longer active."""
    security = before.password != after.password or before.totp != after.totp or before.state != after.state
    return after._replace(epoch=before.epoch + 1) if security else after
