"""Users: added, looked at, changed, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.api.stores import Change, Delete, Put
from appliance.api_server.iam.callers import Callers
from appliance.api_server.iam.guard import Guard
from appliance.api_server.iam.records import (
    ACTIVITY,
    NAMES,
    STATE,
    SUBJECTS,
    TOKENS,
    TOKENS_OF,
    USERS,
    NoSuchRecord,
    put,
    put_document,
    settled,
)
from appliance.api_server.iam.sessions import WrongCredentials
from appliance.api_server.iam.tools import Note, Tools
from appliance.management.iam import changes, passwords, users
from appliance.management.iam.api_tokens import MOST_TOKENS
from appliance.management.iam.changes import Actor
from appliance.management.iam.passwords import SALT_BYTES
from appliance.management.iam.roles import known_roles
from appliance.management.iam.users import NameTaken, State, User

ADMINS: Final = "admins"
"""Under this key of STATE: the ids of the admins. Whoever changes them changes this record too, so of two admins who remove each
other at once only one succeeds."""
ID_BYTES: Final = 12


class NewUser(NamedTuple):
    """What somebody is added as."""

    name: str
    password: str
    roles: tuple[str, ...] = ()
    display: str = ""
    email: str = ""

    def __repr__(self) -> str:
        return f"NewUser({self.name[:64]!r})"


class Changed(NamedTuple):
    """What is to be different; None: it stays."""

    roles: tuple[str, ...] | None = None
    state: State | None = None
    display: str | None = None
    email: str | None = None


class People:
    """All users."""

    def __init__(self, tools: Tools, callers: Callers, guard: Guard) -> None:
        self._tools = tools
        self._callers = callers
        self._guard = guard

    async def get(self, user: str) -> User:
        """By id. Raises NoSuchRecord."""
        found = await self._tools.records.get(USERS, user, User)
        if found is None:
            raise _none(user)
        return found.value

    async def named(self, name: str) -> User:
        """By name. Raises NoSuchRecord."""
        document, _ = await self._tools.records.document(NAMES, name)
        return await self.get(document.get("user", "nobody"))

    async def page(self, after: str, limit: int) -> list[User]:
        """Users ordered by name, those behind the name `after`."""
        names = await self._tools.records.keys(NAMES, after=after, limit=limit)
        found = []
        for name in names:
            try:
                found.append(await self.named(name))
            except NoSuchRecord:  # removed this moment
                continue
        return found

    async def there_are_some(self) -> bool:
        """Has there ever been an admin? Until then the first user's code is good."""
        document, _ = await self._tools.records.document(STATE, ADMINS)
        return bool(document)

    async def create(self, actor: Actor, new: NewUser) -> User:
        """Raises UserRefused, PasswordRefused, NameTaken, NotPermitted, TooManyLogIns."""
        changes.may_give(actor, new.roles, self._tools.added)
        user = await self.prepared(new)
        note = Note("user.added", user.id, actor.named, user.name)
        await settled(lambda: self.added(user, self._tools.keep(note)))
        self._tools.note(note)
        return user

    async def prepared(self, new: NewUser) -> User:
        """A user by the rules, with a hashed password; nothing is kept. Raises UserRefused, PasswordRefused, TooManyLogIns."""
        name = users.judged_name(new.name.lower())
        roles = users.judged_roles(new.roles, known_roles(self._tools.added))
        display, email = users.judged_display(new.display), users.judged_email(new.email)
        now = self._tools.now
        number = self._tools.entropy(ID_BYTES).hex()
        hashed = await self._hashed(new.password, name)
        return User(number, name, hashed, roles, now, now, display=display, email=email, password_changed=now)

    async def added(self, user: User, *further: Change) -> None:
        """Keep a new user, together with `further` changes. Raises NameTaken, Conflict."""
        taken, _ = await self._tools.records.document(NAMES, user.name)
        if taken:
            raise NameTaken("another user has this name", hint="choose another")
        await self._tools.records.commit(
            put(USERS, user.id, user, 0),
            put_document(NAMES, user.name, {"user": user.id}, 0),
            *await self._admins(None, user),
            *further,
        )

    async def change(self, actor: Actor, user: str, wanted: Changed) -> User:
        """Raises NoSuchRecord, NotPermitted, LastAdmin, UserRefused."""

        def changed(before: User) -> User:
            changes.may_change(actor, before, self._tools.added)
            after = before
            if wanted.roles is not None and set(wanted.roles) != set(before.roles):
                roles = users.judged_roles(wanted.roles, known_roles(self._tools.added))
                changes.may_give(actor, roles, self._tools.added)
                after = after._replace(roles=roles)
            if wanted.state is not None:
                after = after._replace(state=wanted.state)
            return _named(after, wanted)

        def told(before: User, after: User) -> Note:
            what = [name for name in ("roles", "state", "display", "email") if getattr(before, name) != getattr(after, name)]
            return Note("user.changed", user, actor.named, ", ".join(what))

        return (await self.replaced(user, changed, told))[1]

    async def set_profile(self, user: str, display: str | None, email: str | None) -> None:
        """What everybody may change about himself, by a program too. Raises UserRefused."""

        def changed(before: User) -> User:
            return _named(before, Changed(display=display, email=email))

        await self.replaced(user, changed)

    async def remove(self, actor: Actor, user: str) -> None:
        """With all that is his. Raises NoSuchRecord, NotPermitted, LastAdmin."""

        async def removed() -> User:
            found = await self._tools.records.get(USERS, user, User)
            if found is None:
                raise _none(user)
            changes.may_change(actor, found.value, self._tools.added)
            await self._tools.records.commit(
                Delete(USERS, user, found.version),
                Delete(NAMES, found.value.name),
                Delete(ACTIVITY, user),
                *([Delete(SUBJECTS, found.value.origin)] if found.value.origin else []),
                *await self._admins(found.value, None),
                *await self._without_tokens(user),
                self._tools.keep(_removed(found.value, actor)),
            )
            return found.value

        gone = await settled(removed)
        await self._sweep_tokens(user)
        self._callers.forget_user(user)
        self._tools.note(_removed(gone, actor))

    async def set_password(self, actor: Actor, user: str, password: str) -> None:
        """An admin gives somebody another password; all his log-ins end. Raises NoSuchRecord, NotPermitted, PasswordRefused."""
        before = await self.get(user)
        changes.not_himself(actor, before)
        changes.may_change(actor, before, self._tools.added)
        hashed = await self._hashed(password, before.name)
        await self._new_password(user, hashed, Note("user.password.set", user, actor.named))

    async def change_password(self, user: str, old: str, new: str, address: str = "") -> None:
        """Somebody changes his own; all his log-ins end. Raises WrongCredentials, PasswordRefused, TooManyAttempts."""
        before = await self.get(user)
        passwords.judged(new, before.name, self._tools.breached)
        await self.proved(before, old, address)
        hashed = await self._hashed(new, before.name)
        await self._new_password(user, hashed, Note("user.password.changed", user, address=address))

    async def proved(self, user: User, password: str, address: str) -> None:
        """He knows his password: asked again before what matters, because a token may be stolen. Counted apart from log-ins,
        so that strangers hold nobody up here. Raises WrongCredentials, TooManyAttempts, TooManyLogIns."""
        counted = f"proof of {user.id}"
        with self._tools.hasher.place():
            await self._guard.begin(counted, address)
            if not await self._tools.hasher.matches(password, user.password):
                raise WrongCredentials
            await self._guard.right(counted, address)

    async def replaced(
        self, user: str, change: Callable[[User], User], told: Callable[[User, User], Note | None] = lambda *_: None
    ) -> tuple[User, User]:
        """Change a user as `change` says, which gets him as he is now, and note what `told` says of him before and after. Returns
        both. Raises NoSuchRecord, LastAdmin, and what `change` raises."""

        async def kept() -> tuple[User, User, Note | None]:
            found = await self._tools.records.get(USERS, user, User)
            if found is None:
                raise _none(user)
            before = found.value
            after = users.ends_sessions(before, change(before))
            if after == before:
                return before, after, None
            after = after._replace(changed=self._tools.now)
            gone = await self._without_tokens(user) if after.state == State.DISABLED else []
            note = told(before, after)
            noted = [self._tools.keep(note)] if note else []
            admins = await self._admins(before, after)
            await self._tools.records.commit(put(USERS, user, after, found.version), *admins, *gone, *noted)
            return before, after, note

        before, after, note = await settled(kept)
        if after.state == State.DISABLED:
            await self._sweep_tokens(user)
        self._callers.forget_user(user)
        if note:
            self._tools.note(note)
        return before, after

    async def _hashed(self, password: str, name: str) -> str:
        plain = passwords.judged(password, name, self._tools.breached)
        with self._tools.hasher.place():
            return await self._tools.hasher.hashed(plain, self._tools.entropy(SALT_BYTES))

    async def _new_password(self, user: str, hashed: str, note: Note) -> None:
        now = self._tools.now
        await self.replaced(user, lambda before: before._replace(password=hashed, password_changed=now), lambda *_: note)

    async def _admins(self, before: User | None, after: User | None) -> list[Put]:
        """What changes about the list of admins. The record is written whenever somebody was or becomes one."""
        if not any(user is not None and users.is_admin(user) for user in (before, after)):
            return []
        document, version = await self._tools.records.document(STATE, ADMINS)
        ids = changes.admins_after(document.get("ids", []), before, after)
        return [put_document(STATE, ADMINS, {"ids": ids}, version)]

    async def _sweep_tokens(self, user: str) -> None:
        """Tokens that were made between the look at what there is and the commit. From then on none is made."""
        if left := await self._without_tokens(user):
            await self._tools.records.commit(*left)

    async def _without_tokens(self, user: str) -> list[Change]:
        keys = await self._tools.records.keys(TOKENS_OF, prefix=f"{user}/", limit=MOST_TOKENS)
        accessors = [key.partition("/")[2] for key in keys]
        for accessor in accessors:
            self._callers.forget_token(accessor)
        return [change for one in accessors for change in (Delete(TOKENS, one), Delete(TOKENS_OF, f"{user}/{one}"))]


def _named(user: User, wanted: Changed) -> User:
    if wanted.display is not None:
        user = user._replace(display=users.judged_display(wanted.display))
    return user if wanted.email is None else user._replace(email=users.judged_email(wanted.email))


def _removed(user: User, actor: Actor) -> Note:
    return Note("user.removed", user.id, actor.named, user.name)


def _none(user: str) -> NoSuchRecord:
    return NoSuchRecord("there is no such user", hint="list them: GET /api/v1/users") if user else NoSuchRecord("no user")
