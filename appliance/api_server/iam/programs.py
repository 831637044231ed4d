"""API tokens, and what programs get for them."""

from __future__ import annotations

from typing import NamedTuple

from appliance.api.stores import Check, Delete
from appliance.api_server.iam.callers import Callers
from appliance.api_server.iam.keyring import Keyring
from appliance.api_server.iam.records import TOKENS, TOKENS_OF, USERS, NoSuchRecord, put, put_document, settled
from appliance.api_server.iam.tools import Note, Tools
from appliance.management.iam import api_tokens, changes, tokens
from appliance.management.iam.api_tokens import MOST_TOKENS, RANDOM_BYTES, ApiToken, TokenRefused, kept_until
from appliance.management.iam.changes import Actor
from appliance.management.iam.tokens import Access
from appliance.management.iam.users import State, User


class ClientGrant(NamedTuple):
    """What a client gets for its id and secret (RFC 6749, 4.4.3 and 5.1)."""

    access_token: str
    expires_in: int
    """Seconds."""
    scopes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"ClientGrant({list(self.scopes)})"


class Programs:
    """All API tokens."""

    def __init__(self, tools: Tools, keyring: Keyring, callers: Callers) -> None:
        self._tools = tools
        self._keyring = keyring
        self._callers = callers

    async def create(
        self, actor: Actor, name: str, scopes: tuple[str, ...], seconds: int, owner: str = ""
    ) -> tuple[ApiToken, str]:
        """A token, and its text, which nobody can show again. It is the actor's own; somebody on the host, who is no user, says
        by `owner` whose. Raises NotPermitted, TokenRefused."""
        owner = actor.user or owner
        changes.may_scope(actor, scopes, self._tools.added)
        token, text = api_tokens.token_of(self._tools.entropy(RANDOM_BYTES), owner, name, scopes, self._tools.now, seconds)
        made = Note("user.token.made", owner, actor.named, detail=f"{token.accessor} {','.join(token.scopes)}")

        async def kept() -> None:
            found = await self._tools.records.get(USERS, owner, User)
            if found is None or found.value.state != State.ACTIVE:
                raise TokenRefused("a token belongs to a user who may come in", hint="say for which user it is")
            have = await self._tools.records.keys(TOKENS_OF, prefix=f"{owner}/", limit=MOST_TOKENS)
            if len(have) >= MOST_TOKENS:
                raise TokenRefused(f"a user has up to {MOST_TOKENS} tokens", hint="revoke some that nobody needs")
            await self._tools.records.commit(
                Check(USERS, owner, found.version),  # who is disabled at this moment keeps no token
                put(TOKENS, token.accessor, token, 0, kept_until(token)),
                put_document(TOKENS_OF, f"{owner}/{token.accessor}", {}, 0, kept_until(token)),
                self._tools.keep(made),
            )

        await settled(kept)
        self._tools.note(made)
        return token, text

    async def page_of(self, user: str, after: str, limit: int) -> list[ApiToken]:
        """A user's tokens, ordered by accessor."""
        start = f"{user}/"
        keys = await self._tools.records.keys(TOKENS_OF, prefix=start, after=start + after if after else "", limit=limit)
        found = [await self._tools.records.get(TOKENS, key.removeprefix(start), ApiToken) for key in keys]
        return [one.value for one in found if one is not None]

    async def page(self, after: str, limit: int) -> list[ApiToken]:
        """All users' tokens, ordered by accessor."""
        return [one.value for one in await self._tools.records.page(TOKENS, ApiToken, after=after, limit=limit)]

    async def get(self, accessor: str) -> ApiToken:
        """Raises NoSuchRecord."""
        found = await self._tools.records.get(TOKENS, accessor, ApiToken)
        if found is None:
            raise NoSuchRecord("there is no such token", hint="it was revoked, or its time is over")
        return found.value

    async def revoke(self, actor: Actor, accessor: str, *, of_all: bool) -> None:
        """End a token. `of_all`: also one of somebody else. Raises NoSuchRecord."""
        token = await self.get(accessor)
        if token.user != actor.user and not of_all:
            raise NoSuchRecord("there is no such token", hint="it was revoked, or its time is over")
        revoked = Note("user.token.revoked", token.user, actor.named, accessor)
        gone = Delete(TOKENS, accessor), Delete(TOKENS_OF, f"{token.user}/{accessor}")
        await self._tools.records.commit(*gone, self._tools.keep(revoked))
        self._callers.forget_token(accessor)
        self._tools.note(revoked)

    async def client_grant(self, client_id: str, secret: str, scope: str = "") -> ClientGrant:
        """An access token for a client. `scope`: part of what it may do, with blanks between; "": all.

        Raises TokenNotValid, TokenExpired, TokenRefused.
        """
        user, token = await self._callers.client(client_id, secret)
        wanted = tuple(sorted(set(scope.split()))) or token.scopes
        if not set(wanted) <= set(token.scopes):
            raise TokenRefused("the client may not have this scope", hint=f"it has {' '.join(token.scopes)}")
        now = self._tools.now
        life = max(1, min(tokens.LIFE, token.expires - now))
        jti = self._tools.entropy(tokens.JTI_BYTES).hex()
        access = Access(user.id, user.epoch, user.roles, jti, now, now + life, "", token.accessor, wanted)
        return ClientGrant(tokens.issue(access, self._tools.realm, await self._keyring.ring()), life, wanted)
