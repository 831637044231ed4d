"""What operations about users, roles and tokens take and answer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr

from appliance.management.operations.row import Arguments, Page, Result, Secret

# ---- coming in ----


class Register(Arguments):
    """Who has a code becomes a user."""

    code: SecretStr = Field(max_length=200, description="Of an invitation, or the first user's.")
    name: str = Field(max_length=63, description="1 to 63 of a-z, 0-9, dot, dash and underscore; a letter first.")
    password: SecretStr = Field(max_length=256, description="12 to 128 characters.")
    display: str = Field(default="", max_length=100, description="How he wants to be called.")
    email: str = Field(default="", max_length=254)


class LogIn(Arguments):
    """Name and password, and where there is a second factor its code."""

    name: str = Field(max_length=256)
    password: SecretStr = Field(max_length=256)
    code: SecretStr = Field(
        default=SecretStr(""), max_length=100, description="Of the authenticator application, or a recovery code."
    )
    client: str = Field(default="", max_length=100, description="What the program calls itself.")


class NamedLogIn(Result):
    """A log-in by somebody else who knows users."""

    name: str = Field(description="A browser begins at /login/ and this name.")
    open: bool = Field(description="It runs now.")
    devices: bool = Field(description="Programs without a browser may log in by it.")


class NamedLogIns(Result):
    """Log-ins beside that by a password: 16 at most."""

    items: list[NamedLogIn]


class Exchange(Arguments):
    """What a log-in elsewhere brought."""

    code: SecretStr = Field(max_length=200, description="From the address that the browser was sent to.")
    client: str = Field(default="", max_length=100, description="What the program calls itself.")


class BeginDevice(Arguments):
    """By which log-in."""

    login: str = Field(max_length=63)


class DeviceBegun(Result):
    """What the user is shown."""

    url: str = Field(description="The page that the user opens, in any browser.")
    code: str = Field(description="What the user enters there.")
    device: Secret = Field(description="For auth.finish_device.")
    seconds: int = Field(description="For which that is possible.")
    interval: int = Field(description="Seconds between two questions whether it is done.")


class FinishDevice(Arguments):
    """Is it done?"""

    device: SecretStr = Field(max_length=200, description="As auth.begin_device said it.")
    client: str = Field(default="", max_length=100, description="What the program calls itself.")


class Refresh(Arguments):
    """The refresh token that came last."""

    refresh_token: SecretStr = Field(max_length=200)


class LogOut(Arguments):
    """Which log-ins end."""

    everywhere: bool = Field(default=False, description="All of this user; otherwise only the one that asks.")


class ClientCredentials(Arguments):
    """A client's id and secret (RFC 6749, 4.4): an API token's accessor, and the part behind it. They may stand in the header
    Authorization (Basic) instead."""

    grant_type: Literal["client_credentials"]
    client_id: str = Field(default="", max_length=100)
    client_secret: SecretStr = Field(default=SecretStr(""), max_length=200)
    scope: str = Field(
        default="", max_length=4096, description="Permissions with blanks between; empty: all that the client has."
    )


class User(Result):
    """A user."""

    id: str = Field(description="Never given twice.")
    name: str
    display: str
    email: str
    roles: list[str]
    state: str = Field(description="active, locked (for a while) or disabled (has left).")
    created: int = Field(description="Unix seconds.")
    changed: int = Field(description="Unix seconds.")
    second_factor: bool
    log_in: str = Field(description="The log-in that vouches for him; empty for somebody who comes with a password.")


class Myself(User):
    """Who asks."""

    permissions: list[str] = Field(description="What this token may do. An admin's may what plugins want, too.")
    last_log_in: int = Field(description="Unix seconds; 0: never.")
    recovery_codes: int = Field(description="So many are left.")


class Granted(Result):
    """Tokens of a log-in."""

    access_token: Secret = Field(description="For the header Authorization.")
    token_type: str = Field(description="Bearer.")
    expires_in: int = Field(description="Seconds for which the access token is good.")
    refresh_token: Secret = Field(description="Brings the next tokens, once.")
    refresh_expires_in: int = Field(description="Seconds.")
    user: User
    failed_before: int = Field(description="Log-ins that failed since the last one that did not.")


class ClientGranted(Result):
    """An access token for a program (RFC 6749, 5.1)."""

    access_token: Secret
    token_type: str = Field(description="Bearer.")
    expires_in: int = Field(description="Seconds.")
    scope: str


class KeySet(Result):
    """The public keys of access tokens (RFC 7517, 5)."""

    keys: list[dict[str, Any]]


# ---- one's own ----


class SetProfile(Arguments):
    """What is to be different about oneself; what is left out stays."""

    display: str | None = Field(default=None, max_length=100)
    email: str | None = Field(default=None, max_length=254)


class ChangePassword(Arguments):
    """One's own password. All log-ins end."""

    old: SecretStr = Field(max_length=256)
    new: SecretStr = Field(max_length=256)


class Password(Arguments):
    """Asked again before what matters."""

    password: SecretStr = Field(max_length=256)


class Code(Arguments):
    """A code of the authenticator application."""

    code: SecretStr = Field(max_length=100)


class SecondFactorBegun(Result):
    """For the authenticator application."""

    secret: Secret = Field(description="Base32, for typing.")
    uri: Secret = Field(description="otpauth://…, for a QR code.")


class RecoveryCodes(Result):
    """Each is good once, instead of a code. Nobody can show them again."""

    recovery_codes: list[Secret]


class LastingLogIn(Result):
    """A log-in that lasts."""

    id: str = Field(description="Names it. May be logged.")
    client: str = Field(description="What logged in, as it called itself.")
    created: int = Field(description="Unix seconds of the log-in.")
    refreshed: int = Field(description="Unix seconds of the last refresh.")
    expires: int = Field(description="Unix seconds at which it ends unless it is refreshed.")
    current: bool = Field(description="It is the one that asks.")


class LogIns(Result):
    """One's own log-ins, the newest first: 32 at most."""

    items: list[LastingLogIn]


class WhichLogIn(Arguments):
    """Which log-in."""

    session: str = Field(pattern="^[0-9a-f]{32}$", examples=["000102030405060708090a0b0c0d0e0f"])


# ---- others ----


class ByName(Arguments):
    """Which user."""

    name: str = Field(max_length=63)


class Users(Result):
    """Users, by name."""

    items: list[User]
    next: str = Field(description="Give it as `after` for the next page; empty at the end.")


class CreateUser(Arguments):
    """A user with a first password."""

    name: str = Field(max_length=63)
    password: SecretStr = Field(max_length=256)
    roles: tuple[str, ...] = Field(default=(), max_length=32)
    display: str = Field(default="", max_length=100)
    email: str = Field(default="", max_length=254)


class ChangeUser(ByName):
    """What is to be different; what is left out stays."""

    roles: tuple[str, ...] | None = Field(default=None, max_length=32)
    state: Literal["active", "locked", "disabled"] | None = None
    display: str | None = Field(default=None, max_length=100)
    email: str | None = Field(default=None, max_length=254)


class SetPassword(ByName):
    """Another password for somebody. All his log-ins end."""

    password: SecretStr = Field(max_length=256)


class Role(Result):
    """A role."""

    name: str
    built_in: bool
    permissions: list[str]


class Roles(Result):
    """Roles by name, and what each permission is."""

    items: list[Role]
    permissions: dict[str, str]


# ---- tokens of programs ----


class CreateToken(Arguments):
    """A token for a program."""

    name: str = Field(max_length=100, description="What it is for.")
    scopes: tuple[str, ...] = Field(
        max_length=64, description="Permissions; `self` is the one to change one's own profile and tokens."
    )
    seconds: int = Field(default=90 * 86_400, description="How long it is good, up to 366 days.")
    user: str = Field(default="", max_length=63, description="Whose it is: only for root on the host, who is no user.")


class Token(Result):
    """An API token, without its secret."""

    accessor: str = Field(description="Names it. May be logged.")
    name: str
    user: str = Field(description="The id of its owner.")
    scopes: list[str]
    created: int = Field(description="Unix seconds.")
    expires: int = Field(description="Unix seconds.")
    last_used: int = Field(description="Unix seconds, up to ten minutes too early; 0: never.")


class NewToken(Token):
    """With its secret, which nobody can show again."""

    token: Secret = Field(description="For the header Authorization.")
    client_secret: Secret = Field(description="With the accessor as client id, for auth.token.")


class Tokens(Result):
    """Tokens, by accessor."""

    items: list[Token]
    next: str


class Accessor(Arguments):
    """Which token."""

    accessor: str = Field(pattern="^[0-9a-f]{16}$", examples=["0001020304050607"])


# ---- invitations ----


class InviteUser(Arguments):
    """What somebody becomes who comes with the code."""

    roles: tuple[str, ...] = Field(default=(), max_length=32)
    seconds: int = Field(default=86_400, ge=1, description="How long it is good, up to 30 days.")
    uses: int = Field(default=1, ge=1, le=1000, description="How many may come with it.")
    note: str = Field(default="", max_length=100, description="For whom it is.")


class UserInvitation(Result):
    """An invitation, without its code."""

    number: str = Field(description="Names it. May be logged.")
    roles: list[str]
    made_by: str = Field(description="The id of the user who invited; host for root, empty for the first user's code.")
    created: int = Field(description="Unix seconds.")
    expires: int = Field(description="Unix seconds.")
    uses: int = Field(description="So many may still come.")
    open: bool
    note: str


class NewUserInvitation(UserInvitation):
    """With its code, which nobody can show again."""

    code: Secret


class UserInvitations(Result):
    """Invitations, by number."""

    items: list[UserInvitation]
    next: str


class InvitationNumber(Arguments):
    """Which invitation."""

    number: str = Field(pattern="^[0-9a-f]{10}$", examples=["0102030405"])


class FirstCode(Result):
    """For the first user, who becomes an admin. Good for an hour; earlier ones are good no more."""

    code: Secret


class UsersPage(Page):
    """Which part of the users: `after` is a name."""


class TokensPage(Page):
    """Which part of the tokens: `after` is an accessor."""


class InvitationsPage(Page):
    """Which part of the invitations: `after` is a number."""
