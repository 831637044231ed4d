"""Logging in, staying in, logging out."""

from __future__ import annotations

from typing import NamedTuple

from appliance.api.stores import Change, Delete
from appliance.api_server.iam.callers import Callers
from appliance.api_server.iam.guard import Guard
from appliance.api_server.iam.keyring import Keyring
from appliance.api_server.iam.records import ACTIVITY, FAMILIES, NAMES, USERS, NoSuchRecord, Versioned, put, settled
from appliance.api_server.iam.tools import NOBODY, Note, Tools
from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam import activity, passwords, refresh, tokens, totp
from appliance.management.iam.activity import Activity
from appliance.management.iam.lockout import TooManyAttempts, address_mark
from appliance.management.iam.passwords import SALT_BYTES
from appliance.management.iam.refresh import Family, Outcome, Presented
from appliance.management.iam.tokens import Access, TokenExpired, TokenNotValid
from appliance.management.iam.users import State, User


class WrongCredentials(ApplianceError):
    """Name or password is wrong, or the user may not come in: which, nobody is told who cannot come in."""

    exit_code = ExitCode.PERMISSION

    def __init__(self) -> None:
        super().__init__("wrong name or password", hint="try again; after a few attempts it takes longer each time")


class SecondFactorNeeded(ApplianceError):
    """The password is right; a code of the authenticator application, or a recovery code, is missing."""

    exit_code = ExitCode.PERMISSION

    def __init__(self) -> None:
        super().__init__("a second factor is needed", hint="send the code of the authenticator application too")


class LogIn(NamedTuple):
    """What somebody sends who wants to come in."""

    name: str
    password: str
    code: str = ""
    """Of the authenticator application, or a recovery code."""
    address: str = ""
    """Where it came from; "" for a local socket."""
    client: str = ""
    """What the program calls itself."""

    def __repr__(self) -> str:
        return f"LogIn({self.address})"


class Grant(NamedTuple):
    """What a log-in, or a refresh, brings."""

    access_token: str
    expires_in: int
    """Seconds."""
    refresh_token: str
    refresh_expires_in: int
    """Seconds."""
    user: User
    failed_before: int = 0
    """So many log-ins failed since the last one that did not. Only a log-in says so."""

    def __repr__(self) -> str:
        return f"Grant({self.user!r})"


class Sessions:
    """Log-ins."""

    def __init__(self, tools: Tools, keyring: Keyring, callers: Callers, guard: Guard) -> None:
        self._tools = tools
        self._keyring = keyring
        self._callers = callers
        self._guard = guard

    async def log_in(self, asked: LogIn) -> Grant:
        """Raises WrongCredentials, SecondFactorNeeded, TooManyAttempts, TooManyLogIns."""
        with self._tools.hasher.place():
            name = asked.name.lower()
            found = await self._named(name)
            user = found.value if found else None
            kept = await self._tools.records.get(ACTIVITY, user.id if user else "nobody", Activity)
            own = kept.value.addresses if kept else ()
            try:
                await self._guard.begin(name, asked.address, own)
            except TooManyAttempts:
                self._refused(user, asked, "too many attempts")
                raise
            right = await self._tools.hasher.matches(asked.password, user.password if user else "")
            if not right or user is None or user.state != State.ACTIVE:
                self._refused(user, asked, user.state if user and right else "wrong password")
                raise WrongCredentials
            user = await self._second_factor(user, asked)
            failed = await self._guard.right(name, asked.address, own)
            user = await self._with_todays_hash(user, asked.password)
        grant = await settled(lambda: self._opened(user, asked))
        self._tools.note(Note("user.login", user.id, detail=asked.client[:100], address=asked.address))
        return grant._replace(failed_before=failed)

    async def enter(self, user: str, by: str, client: str = "", address: str = "") -> Grant:
        """A log-in of a user for whom the log-in `by` vouches. Raises WrongCredentials when he may not come in (any more)."""
        found = await self._tools.records.get(USERS, user, User)
        asked = LogIn(by, "", "", address, client)
        if found is None or found.value.state != State.ACTIVE:
            self._refused(found.value if found else None, asked, found.value.state if found else "removed")
            raise WrongCredentials
        grant = await settled(lambda: self._opened(found.value, asked))
        self._tools.note(Note("user.login", user, detail=f"by {by} {client}".strip()[:100], address=address))
        return grant

    async def refresh(self, token: str) -> Grant:
        """The next tokens. Raises TokenNotValid, TokenExpired."""
        presented = refresh.read(token)
        if presented is None:
            raise TokenNotValid
        return await settled(lambda: self._refreshed(presented))

    async def log_out(self, user: str, family: str) -> None:
        """End the log-in that somebody's token comes from. A program's token has none, and stays."""
        if family:
            await self._end(user, family)
            self._tools.note(Note("user.logout", user))

    async def all_of(self, user: str) -> list[Family]:
        """A user's log-ins that last, the newest first."""
        records = self._tools.records
        who, kept = await records.get(USERS, user, User), await records.get(ACTIVITY, user, Activity)
        if who is None or kept is None:
            return []
        found = [await records.get(FAMILIES, one, Family) for one in reversed(kept.value.families)]
        return [one.value for one in found if one and one.value.expires > self._tools.now and _lets_in(who.value, one.value)]

    async def log_out_elsewhere(self, user: str, family: str) -> None:
        """End one of a user's log-ins. Raises NoSuchRecord."""
        if not any(one.id == family for one in await self.all_of(user)):
            raise NoSuchRecord("there is no such log-in", hint="it has ended meanwhile")
        await self.log_out(user, family)

    async def log_out_everywhere(self, user: str) -> None:
        """End all log-ins of a user."""

        async def raise_epoch() -> None:
            found = await self._tools.records.get(USERS, user, User)
            if found is not None:
                after = found.value._replace(epoch=found.value.epoch + 1)
                await self._tools.records.commit(put(USERS, user, after, found.version), self._tools.keep(note))

        note = Note("user.logout.everywhere", user)
        await settled(raise_epoch)
        self._callers.forget_user(user)
        self._tools.note(note)

    # ---- log-in ----

    async def _named(self, name: str) -> Versioned[User] | None:
        """As many looks for names that nobody has as for others."""
        document, _ = await self._tools.records.document(NAMES, name) if name.isascii() and len(name) < 64 else ({}, 0)
        return await self._tools.records.get(USERS, document.get("user", "nobody"), User)

    async def _second_factor(self, user: User, asked: LogIn) -> User:
        """The user, after the code was used up: each is good once, whoever comes with it at the same moment."""
        if not user.totp:
            return user
        if not asked.code:
            raise SecondFactorNeeded

        async def use_up() -> User | None:
            found = await self._tools.records.get(USERS, user.id, User)
            after = _code_used(found.value, asked.code, self._tools.clock()) if found else None
            if found is not None and after is not None:
                await self._tools.records.commit(put(USERS, user.id, after, found.version))
            return after

        after = await settled(use_up)
        if after is None:
            self._refused(user, asked, "wrong code")
            raise WrongCredentials
        return after

    async def _with_todays_hash(self, user: User, password: str) -> User:
        """Hashed anew if passwords cost more today. If that cannot be kept now, then another time."""
        plain = passwords.normal(password)
        if plain is None or not passwords.needs_rehash(user.password, self._tools.hasher.cost):
            return user
        after = user._replace(password=await self._tools.hasher.hashed(plain, self._tools.entropy(SALT_BYTES)))
        found = await self._tools.records.get(USERS, user.id, User)
        if found is None or found.value != user:
            return user
        try:
            await self._tools.records.commit(put(USERS, user.id, after, found.version))
        except ApplianceError:
            return user
        return after

    async def _opened(self, user: User, asked: LogIn) -> Grant:
        now = self._tools.now
        family, token = refresh.new_family(self._tools.entropy(refresh.RANDOM_BYTES), user.id, user.epoch, now, asked.client)
        found = await self._tools.records.get(ACTIVITY, user.id, Activity)
        before, version = found or (Activity(), 0)
        after, surplus = activity.logged_in(before, family.id, address_mark(asked.address), now)
        await self._tools.records.commit(
            put(FAMILIES, family.id, family, 0, family.expires),
            put(ACTIVITY, user.id, after, version),
            *(Delete(FAMILIES, one) for one in surplus),
        )
        for one in surplus:
            self._callers.ended(one)
        return await self._grant(user, family, token)

    # ---- staying in ----

    async def _refreshed(self, presented: Presented) -> Grant:
        found = await self._tools.records.get(FAMILIES, presented.family, Family)
        if found is None:
            raise TokenNotValid
        judgement = refresh.judged(found.value, presented, self._tools.now)
        family = judgement.family
        if judgement.outcome is Outcome.OVER:
            raise TokenExpired
        if judgement.outcome is Outcome.REPLAYED:
            await self._end(family.user, family.id)
            self._tools.note(Note("user.session.replayed", family.user, detail=family.id, denied=True))
            raise TokenNotValid
        user = await self._tools.records.get(USERS, family.user, User)
        if judgement.outcome is Outcome.UNKNOWN or user is None or not _lets_in(user.value, family):
            raise TokenNotValid
        if judgement.outcome is Outcome.CHANGED:
            await self._tools.records.commit(put(FAMILIES, family.id, family, found.version, family.expires))
        return await self._grant(user.value, family, judgement.token)

    async def _end(self, user: str, family: str) -> None:
        async def remove() -> None:
            changes: list[Change] = [Delete(FAMILIES, family)]
            found = await self._tools.records.get(ACTIVITY, user, Activity)
            if found is not None:
                changes.append(put(ACTIVITY, user, activity.without(found.value, family), found.version))
            await self._tools.records.commit(*changes)

        await settled(remove)
        self._callers.ended(family)

    async def _grant(self, user: User, family: Family, token: str) -> Grant:
        now = self._tools.now
        jti = self._tools.entropy(tokens.JTI_BYTES).hex()
        access = Access(user.id, user.epoch, user.roles, jti, now, now + tokens.LIFE, family.id)
        text = tokens.issue(access, self._tools.realm, await self._keyring.ring())
        return Grant(text, tokens.LIFE, token, max(0, family.expires - now), user)

    def _refused(self, user: User | None, asked: LogIn, why: str) -> None:
        about = user.id if user else NOBODY
        self._tools.note(Note("user.login", about, detail=why, denied=True, address=asked.address))


def _lets_in(user: User, family: Family) -> bool:
    return user.state == State.ACTIVE and user.epoch == family.epoch


def _code_used(user: User, code: str, now: float) -> User | None:
    """The user after this code was used; None if it is none of his."""
    period = totp.accepted(user.totp, code.strip(), now, user.totp_used)
    if period is not None:
        return user._replace(totp_used=period)
    left = totp.without(user.recovery, code[:100])
    return None if left is None else user._replace(recovery=left)
