"""A user's second factor: begun, confirmed, taken away."""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.api_server.iam.people import People
from appliance.api_server.iam.tools import Note, Tools
from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam import changes, totp
from appliance.management.iam.changes import Actor
from appliance.management.iam.users import User

ISSUER: Final = "appliance"
"""What an application shows the account under."""


class SecondFactorRefused(ApplianceError):
    """It is there already, was not begun, or the code is none of now."""

    exit_code = ExitCode.INVALID


class Begun(NamedTuple):
    """For the authenticator application."""

    secret: str
    """Base32, for typing."""
    uri: str
    """otpauth://…, for a QR code."""

    def __repr__(self) -> str:
        return "Begun()"


class SecondFactor:
    """Authenticator applications of all users."""

    def __init__(self, tools: Tools, people: People) -> None:
        self._tools = tools
        self._people = people

    async def begin(self, user: str, password: str, address: str = "") -> Begun:
        """Hand out a secret. It counts once a code was made with it. Raises WrongCredentials, SecondFactorRefused."""
        before = await self._people.get(user)
        await self._people.proved(before, password, address)
        secret = totp.secret_text(self._tools.entropy(totp.SECRET_BYTES))

        def change(now: User) -> User:
            if now.totp:
                raise SecondFactorRefused("there is a second factor already", hint="take it away first")
            return now._replace(totp_begun=secret)

        await self._people.replaced(user, change)
        return Begun(secret, totp.otpauth(secret, before.name, ISSUER))

    async def confirm(self, user: str, code: str) -> list[str]:
        """From now on every log-in needs a code; those that last end. Returns recovery codes, which nobody can show again. Raises
        SecondFactorRefused."""
        codes = totp.recovery_codes(self._tools.entropy(totp.RECOVERY_CODES * totp.RECOVERY_BYTES))
        moment = self._tools.clock()

        def change(now: User) -> User:
            period = totp.accepted(now.totp_begun, code.strip(), moment, 0) if now.totp_begun else None
            if period is None:
                raise SecondFactorRefused(
                    "that is no code of now", hint="look at the clocks of both, and begin anew if the secret was not kept"
                )
            recovery = tuple(map(totp.recovery_digest, codes))
            return now._replace(totp=now.totp_begun, totp_begun="", totp_used=period, recovery=recovery)

        await self._people.replaced(user, change, lambda *_: Note("user.second-factor.added", user))
        return codes

    async def remove(self, user: str, password: str, address: str = "") -> None:
        """Take one's own away. Raises WrongCredentials, TooManyAttempts."""
        await self._people.proved(await self._people.get(user), password, address)
        await self._people.replaced(user, _without, lambda *_: Note("user.second-factor.removed", user))

    async def reset(self, actor: Actor, user: str) -> None:
        """An admin takes it away from somebody who lost it. Raises NoSuchRecord, NotPermitted."""

        def change(now: User) -> User:
            changes.not_himself(actor, now)
            changes.may_change(actor, now, self._tools.added)
            return _without(now)

        await self._people.replaced(user, change, lambda *_: Note("user.second-factor.removed", user, actor.named))


def _without(user: User) -> User:
    return user._replace(totp="", totp_begun="", totp_used=0, recovery=())
