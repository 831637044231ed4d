"""Becoming a user: by the first user's code, or by an invitation."""

from __future__ import annotations

from typing import NamedTuple

from appliance.api.stores import Delete, Put
from appliance.api_server.iam.guard import Guard
from appliance.api_server.iam.people import NewUser, People
from appliance.api_server.iam.records import INVITATIONS, NoSuchRecord, Versioned, put, settled
from appliance.api_server.iam.tools import NOBODY, Note, Tools
from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam import changes, invitations, users
from appliance.management.iam.changes import HOST, Actor
from appliance.management.iam.invitations import (
    CODE_BYTES,
    FIRST_SECONDS,
    MOST_INVITATIONS,
    MOST_KEPT,
    CodeNotValid,
    CodeUsedUp,
    Invitation,
)
from appliance.management.iam.roles import ADMIN, covers, known_roles
from appliance.management.iam.users import State, User


class TooManyInvitations(ApplianceError):
    """As many invitations are open as may be."""

    exit_code = ExitCode.INVALID


class Registering(NamedTuple):
    """What somebody sends who has a code."""

    code: str
    name: str
    password: str
    display: str = ""
    email: str = ""
    address: str = ""
    """Where it came from."""

    def __repr__(self) -> str:
        return f"Registering({self.address})"


class Registration:
    """Invitations, and who comes with them."""

    def __init__(self, tools: Tools, people: People, guard: Guard) -> None:
        self._tools = tools
        self._people = people
        self._guard = guard

    async def first_code(self) -> str | None:
        """A code for the first user, who becomes an admin; earlier ones are good no more. None: there are users already.

        For whoever starts the API server, to show to the person at the console and to nobody else.
        """
        if await self._people.there_are_some():
            return None

        async def kept() -> str:
            before = await self._tools.records.page(INVITATIONS, Invitation, limit=MOST_KEPT)
            invitation, code = invitations.invitation_of(
                self._tools.entropy(CODE_BYTES), (ADMIN,), "", self._tools.now, FIRST_SECONDS, note="the first user"
            )
            gone = [Delete(INVITATIONS, one.value.number) for one in before if not one.value.made_by]
            await self._tools.records.commit(*gone, _put(invitation, 0))
            return code

        return await settled(kept)

    async def invite(
        self, actor: Actor, roles: tuple[str, ...], seconds: int, uses: int = 1, note: str = ""
    ) -> tuple[Invitation, str]:
        """An invitation and its code. Raises NotPermitted, UserRefused, TooManyInvitations."""
        roles = users.judged_roles(roles, known_roles(self._tools.added))
        changes.may_give(actor, roles, self._tools.added)
        kept = await self._tools.records.page(INVITATIONS, Invitation, limit=MOST_KEPT)
        if len(kept) == MOST_KEPT or sum(invitations.is_open(one.value, self._tools.now) for one in kept) >= MOST_INVITATIONS:
            raise TooManyInvitations(f"{MOST_INVITATIONS} invitations are open", hint="take some back")
        invitation, code = invitations.invitation_of(
            self._tools.entropy(CODE_BYTES), roles, actor.named, self._tools.now, seconds, uses, note[:100]
        )
        made = Note("user.invitation.made", actor.named, detail=f"{invitation.number} {','.join(roles)}")
        await self._tools.records.commit(_put(invitation, 0), self._tools.keep(made))
        self._tools.note(made)
        return invitation, code

    async def page(self, after: str, limit: int) -> list[Invitation]:
        """Those that are open, ordered by number."""
        return [one.value for one in await self._tools.records.page(INVITATIONS, Invitation, after=after, limit=limit)]

    async def revoke(self, actor: Actor, number: str) -> None:
        """Take one back. Raises NoSuchRecord."""
        if await self._tools.records.get(INVITATIONS, number, Invitation) is None:
            raise NoSuchRecord("there is no such invitation", hint="it was used, taken back, or its time is over")
        revoked = Note("user.invitation.revoked", actor.named, detail=number)
        await self._tools.records.commit(Delete(INVITATIONS, number), self._tools.keep(revoked))
        self._tools.note(revoked)

    async def register(self, asked: Registering) -> User:
        """Become a user. Raises CodeNotValid, CodeUsedUp, TooManyAttempts, UserRefused, PasswordRefused, NameTaken,
        TooManyLogIns.

        The code is judged before the password is hashed: without one nobody gets work done here.
        """
        await self._guard.begin("", asked.address)
        found = await self._judged(asked.code, asked.address)
        await self._guard.right("", asked.address)
        new = NewUser(asked.name, asked.password, found.value.roles, asked.display, asked.email)
        user = await self._people.prepared(new)
        came = Note("user.registered", user.id, detail=f"invited by {found.value.made_by or HOST}", address=asked.address)

        async def come() -> None:
            now_found = await self._judged(asked.code, asked.address)
            invitation = invitations.used(now_found.value, self._tools.now)
            await self._people.added(user, _put(invitation, now_found.version), self._tools.keep(came))

        await settled(come)
        self._tools.note(came)
        return user

    async def _judged(self, code: str, asked_from: str) -> Versioned[Invitation]:
        """The invitation that this code is of, as it is now. Raises CodeNotValid, CodeUsedUp."""
        number = invitations.number_of(code)

        async def judged() -> Versioned[Invitation]:
            found = await self._tools.records.get(INVITATIONS, number, Invitation) if number else None
            if found is None:
                raise CodeNotValid
            wrong = invitations.guessed(found.value, code)
            if wrong is not None:
                if wrong != found.value:
                    await self._tools.records.commit(_put(wrong, found.version))
                    self._tools.note(Note("user.code.wrong", NOBODY, denied=True, detail=wrong.number, address=asked_from))
                raise CodeNotValid
            invitations.used(found.value, self._tools.now)
            if not found.value.made_by and await self._people.there_are_some():
                raise CodeUsedUp
            await self._made_by_somebody(found.value)
            return found

        return await settled(judged)

    async def _made_by_somebody(self, invitation: Invitation) -> None:
        """Whoever invited may still do so: who was put out does not come in again by a code he kept. Raises CodeNotValid."""
        if invitation.made_by in {"", HOST}:
            return
        try:
            user = await self._people.get(invitation.made_by)
        except NoSuchRecord:
            raise CodeNotValid from None
        if user.state != State.ACTIVE or not covers(user.roles, invitation.roles, self._tools.added):
            raise CodeNotValid


def _put(invitation: Invitation, expect: int) -> Put:
    """Kept a day longer than it is good, so that whoever comes too late is told so."""
    return put(INVITATIONS, invitation.number, invitation, expect, invitation.expires + 86_400)
