"""Users whom a log-in of the profile vouches for: found by their subject there, added, and given the roles of their groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from appliance.api.logins import Claims
from appliance.api_server.iam.people import ID_BYTES, People
from appliance.api_server.iam.records import SUBJECTS, USERS, Versioned, put_document, settled
from appliance.api_server.iam.tools import Note, Tools
from appliance.management.iam import federated, users
from appliance.management.iam.federated import LogInRefused
from appliance.management.iam.roles import known_roles
from appliance.management.iam.users import NameTaken, State, User

ASK_AN_ADMIN: Final = "ask an admin of this node"


class Rules(NamedTuple):
    """What the profile says of a log-in."""

    login: str
    """Its name."""
    roles: Mapping[str, Collection[str]]
    """By group."""
    create: bool
    """Are users added who come for the first time?"""
    devices: bool = False
    """May devices without a browser log in?"""


class Federated:
    """All of them."""

    def __init__(self, tools: Tools, people: People) -> None:
        self._tools = tools
        self._people = people

    def judge(self, rules: Rules) -> None:
        """Raises UserRefused for a role that there is not."""
        for given in rules.roles.values():
            users.judged_roles(given, known_roles(self._tools.added))

    async def user_of(self, claims: Claims, rules: Rules) -> User:
        """Who that is here, with the roles that his groups bring today. Raises LogInRefused, UserRefused, LastAdmin."""
        return await settled(lambda: self._user_of(claims, rules))

    async def _user_of(self, claims: Claims, rules: Rules) -> User:
        if not claims.subject or len(claims.subject) > federated.LONGEST_SUBJECT or len(claims.groups) > federated.MOST_GROUPS:
            raise LogInRefused(f"{rules.login} does not say who that is", hint=ASK_AN_ADMIN)
        brought = users.judged_roles(federated.roles_of(claims.groups, rules.roles), known_roles(self._tools.added))
        key = federated.key_of(rules.login, claims.subject)
        document, version = await self._tools.records.document(SUBJECTS, key)
        found = await self._tools.records.get(USERS, document.get("user", "nobody"), User)
        if found is None:
            return await self._added(claims, rules, brought, (key, version))
        user = await self._with_roles(found, brought, rules)
        if user.state != State.ACTIVE:
            raise LogInRefused("this user is locked here", hint=ASK_AN_ADMIN)
        if not brought:
            raise _without_roles(rules)
        return user

    async def _with_roles(self, found: Versioned[User], brought: tuple[str, ...], rules: Rules) -> User:
        """What his groups bring no more he loses even when he does not get in."""
        if found.value.roles == brought:
            return found.value

        def told(_before: User, after: User) -> Note:
            return Note("user.changed", after.id, detail=f"roles, by the log-in {rules.login}")

        return (await self._people.replaced(found.value.id, lambda before: before._replace(roles=brought), told))[1]

    async def _added(self, claims: Claims, rules: Rules, brought: tuple[str, ...], at: tuple[str, int]) -> User:
        if not rules.create:
            raise LogInRefused(f"{rules.login} knows you, and this node does not yet", hint=ASK_AN_ADMIN)
        if not brought:
            raise _without_roles(rules)
        key, version = at
        number, now = self._tools.entropy(ID_BYTES).hex(), self._tools.now
        for name in federated.names(claims.name, number):
            user = User(number, users.judged_name(name), "", brought, now, now, origin=key)
            note = Note("user.added", number, detail=f"{name}, by the log-in {rules.login}")
            try:
                await self._people.added(user, put_document(SUBJECTS, key, {"user": number}, version), self._tools.keep(note))
            except NameTaken:
                continue
            self._tools.note(note)
            return user
        raise LogInRefused("there is no name left for you", hint=ASK_AN_ADMIN)


def _without_roles(rules: Rules) -> LogInRefused:
    return LogInRefused(f"none of your groups at {rules.login} brings a role here", hint=ASK_AN_ADMIN)
