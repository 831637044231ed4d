"""Whose token is it? Asked with every request, so it must cost next to nothing.

An access token is verified without the store. Whether its user may still come in is looked up, and the answer is believed for
five seconds: that long it takes until a user whom another API server locked out is out here too. What is changed through this API
server counts at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from hashlib import sha256
from typing import Final, Generic, NamedTuple, TypeVar

from appliance.api_server.iam.keyring import Keyring
from appliance.api_server.iam.records import TOKENS, USERS, put
from appliance.api_server.iam.tools import Tools
from appliance.errors import ApplianceError
from appliance.management.iam import api_tokens, roles, tokens
from appliance.management.iam.api_tokens import LAST_USED_EVERY, ApiToken, kept_until
from appliance.management.iam.tokens import LEEWAY, Access, TokenExpired, TokenNotValid
from appliance.management.iam.users import State, User

BELIEVED: Final = 5
"""Seconds."""
MOST_REMEMBERED: Final = 1024
"""Users, API tokens and access tokens in memory, of each so many."""
SELF: Final = "self"
"""What everybody may do about himself. A program may only if its token has this scope: a stolen token must not make others."""

RecordT = TypeVar("RecordT", bound=tuple[object, ...])


class Known(NamedTuple):
    """Who asks, as a token says."""

    user: str
    """The user's id."""
    name: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...] | None = None
    """All that a program with this token may do; None: whatever the roles permit."""
    how: str = "access-token"
    """"access-token" or "api-token"."""
    number: str = ""
    """Names the token (its `jti`, or its accessor). May be logged."""
    family: str = ""
    """The log-in; "" for a program."""

    def may(self, permission: str, added: Mapping[str, Collection[str]]) -> bool:
        """By the roles, and within the scopes."""
        if self.scopes is not None and permission not in self.scopes:
            return False
        return permission == SELF or roles.permits(self.roles, permission, added)


class Callers:
    """Judges tokens."""

    def __init__(self, tools: Tools, keyring: Keyring) -> None:
        self._tools = tools
        self._keyring = keyring
        self._users: _Glances[User] = _Glances(tools, self._user)
        self._tokens: _Glances[ApiToken] = _Glances(tools, self._token)
        self._read: OrderedDict[bytes, Access] = OrderedDict()
        """What tokens say whose signature was verified, by a digest of their text."""
        self._ended: OrderedDict[str, float] = OrderedDict()
        """Log-ins that ended here, until their access tokens are over."""

    async def authenticate(self, text: str) -> Known:
        """Raises TokenNotValid, TokenExpired; StoreBroken."""
        if text.startswith(api_tokens.PREFIX):
            return await self._by_api_token(text)
        access = await self._verified(text)
        user = await self._active(access.user)
        if user.epoch != access.epoch or access.family in self._ended:
            raise TokenNotValid
        if access.accessor:
            await self._good(access.accessor)
        return _known(user, access)

    async def client(self, client_id: str, secret: str) -> tuple[User, ApiToken]:
        """The API token that a client's id and secret are, and whose it is. Raises TokenNotValid, TokenExpired."""
        found = api_tokens.read(api_tokens.text_of_client(client_id, secret))
        if found is None or found[0] != client_id:
            raise TokenNotValid
        token = await self._good(client_id)
        if not api_tokens.is_secret_of(found[1], token):
            raise TokenNotValid
        return await self._active(token.user), token

    def forget_user(self, user: str) -> None:
        """He was changed here: look again."""
        self._users.forget(user)

    def forget_token(self, accessor: str) -> None:
        """It was changed here: look again."""
        self._tokens.forget(accessor)

    def ended(self, family: str) -> None:
        """A log-in ended here."""
        now = self._tools.clock()
        self._ended[family] = now
        while len(self._ended) > MOST_REMEMBERED or now - next(iter(self._ended.values())) > tokens.LIFE + LEEWAY:
            self._ended.popitem(last=False)

    async def _verified(self, text: str) -> Access:
        """Whoever comes with one token comes again and again, so its signature is verified once, and its time each time."""
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        access = self._read.get(digest)
        if access is not None:
            tokens.judge_time(access, self._tools.clock())
            return access
        access = tokens.read(text, self._tools.realm, await self._keyring.ring(tokens.kid_of(text)), self._tools.clock())
        self._read[digest] = access
        while len(self._read) > MOST_REMEMBERED:
            self._read.popitem(last=False)
        return access

    async def _by_api_token(self, text: str) -> Known:
        found = api_tokens.read(text)
        if found is None:
            raise TokenNotValid
        token = await self._good(found[0])
        if not api_tokens.is_secret_of(found[1], token):
            raise TokenNotValid
        user = await self._active(token.user)
        await self._was_used(token)
        return Known(user.id, user.name, user.roles, token.scopes, "api-token", token.accessor)

    async def _active(self, user: str) -> User:
        found = await self._users.get(user)
        if found is None or found.state != State.ACTIVE:
            raise TokenNotValid
        return found

    async def _good(self, accessor: str) -> ApiToken:
        found = await self._tokens.get(accessor)
        if found is None:
            raise TokenNotValid
        if api_tokens.is_over(found, self._tools.clock()):
            raise TokenExpired
        return found

    async def _was_used(self, token: ApiToken) -> None:
        """Note the time, now and then. Whoever asks is not to wait for a store that has no room."""
        now = self._tools.now
        if abs(now - token.last_used) < LAST_USED_EVERY:
            return
        try:
            kept = await self._tools.records.get(TOKENS, token.accessor, ApiToken)
            if kept is not None:
                after = kept.value._replace(last_used=now)
                await self._tools.records.commit(
                    put(TOKENS, token.accessor, after, kept.version, kept_until(after)), durable=False
                )
        except ApplianceError:
            return
        finally:
            self._tokens.replace(token.accessor, token._replace(last_used=now))

    async def _user(self, user: str) -> User | None:
        found = await self._tools.records.get(USERS, user, User)
        return found.value if found else None

    async def _token(self, accessor: str) -> ApiToken | None:
        found = await self._tools.records.get(TOKENS, accessor, ApiToken)
        return found.value if found else None


class _Glances(Generic[RecordT]):
    """Records as they were a moment ago."""

    def __init__(self, tools: Tools, look: Callable[[str], Awaitable[RecordT | None]]) -> None:
        self._tools = tools
        self._look = look
        self._seen: OrderedDict[str, tuple[RecordT | None, float]] = OrderedDict()
        self._forgotten = 0

    async def get(self, key: str) -> RecordT | None:
        found = self._seen.get(key)
        if found is not None and abs(self._tools.clock() - found[1]) < BELIEVED:
            return found[0]
        forgotten = self._forgotten
        record = await self._look(key)
        if forgotten == self._forgotten:  # nothing changed while we looked
            self.put(key, record)
        return record

    def put(self, key: str, record: RecordT | None) -> None:
        self._seen[key] = record, self._tools.clock()
        self._seen.move_to_end(key)
        while len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)

    def replace(self, key: str, record: RecordT) -> None:
        """Unless it was forgotten meanwhile; it is as old as it was."""
        found = self._seen.get(key)
        if found is not None:
            self._seen[key] = record, found[1]

    def forget(self, key: str) -> None:
        self._forgotten += 1
        self._seen.pop(key, None)


def _known(user: User, access: Access) -> Known:
    scopes = access.scopes if access.accessor else None
    return Known(user.id, user.name, user.roles, scopes, "access-token", access.jti, access.family)
