"""Users whom somebody else vouches for."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.logins import Claims
from appliance.api_server.iam.federated import Rules
from appliance.api_server.iam.people import Changed
from appliance.api_server.iam.sessions import WrongCredentials
from appliance.management.iam.federated import MOST_GROUPS, MOST_NAMES, LogInRefused
from appliance.management.iam.users import LastAdmin, State, User, UserRefused
from tests.unit.api_server.iam.rig import HOST, Rig

RULES = Rules("oidc", {"staff": ["viewer"], "heads": ["admin"]}, create=True)
ALICE = Claims("https://id 4711", "alice", ("staff",))


async def user_of(rig: Rig, claims: Claims = ALICE, rules: Rules = RULES) -> User:
    return await rig.accounts.federated.user_of(claims, rules)


async def test_who_comes_again_is_the_same_user_whatever_he_is_called_now(rig: Rig) -> None:
    first = await user_of(rig)
    again = await user_of(rig, ALICE._replace(name="bob"))
    assert first == again
    assert (first.name, first.roles, first.password) == ("alice", ("viewer",), "")
    assert rig.told == await rig.kept() == ["user.added"]


async def test_the_same_subject_at_another_log_in_is_somebody_else(rig: Rig) -> None:
    assert (await user_of(rig)).id != (await user_of(rig, rules=RULES._replace(login="other"))).id


async def test_a_user_who_is_here_already_is_nobody_elses(rig: Rig) -> None:
    chief = await rig.user("alice", "admin")
    found = await user_of(rig)
    assert (found.name, found.roles) == ("alice-2", ("viewer",))
    assert await rig.accounts.people.named("alice") == chief


async def test_where_all_names_are_taken_a_number_is_left(rig: Rig) -> None:
    for at in range(MOST_NAMES):
        await rig.user("alice" if not at else f"alice-{at + 1}")
    found = await user_of(rig)
    assert found.name == f"user-{found.id}"


async def test_two_who_come_at_once_are_one(rig: Rig) -> None:
    found = await asyncio.gather(*(user_of(rig) for _ in range(8)))
    assert len({user.id for user in found}) == 1
    assert rig.told == ["user.added"]


async def test_roles_follow_the_groups_at_each_log_in(rig: Rig) -> None:
    await rig.user("chief", "admin")
    user = await user_of(rig)
    await rig.accounts.people.change(HOST, user.id, Changed(roles=("operator",)))
    assert (await user_of(rig)).roles == ("viewer",)
    assert (await user_of(rig, ALICE._replace(groups=("heads", "staff")))).roles == ("admin", "viewer")
    assert [note.detail for note in rig.notes[-2:]] == ["roles, by the log-in oidc"] * 2


async def test_without_a_role_nobody_comes_in_and_who_had_one_loses_it(rig: Rig) -> None:
    user = await user_of(rig)
    with pytest.raises(LogInRefused, match="none of your groups"):
        await user_of(rig, ALICE._replace(groups=()))
    assert (await rig.accounts.people.get(user.id)).roles == ()
    with pytest.raises(LogInRefused, match="none of your groups"):
        await user_of(rig, Claims("https://id 2", "bob", ()))
    assert [user.name for user in await rig.accounts.people.page("", 10)] == ["alice"]


async def test_a_locked_user_stays_locked_and_his_roles_are_taken_all_the_same(rig: Rig) -> None:
    await rig.user("chief", "admin")
    user = await user_of(rig, ALICE._replace(groups=("heads",)))
    for state in (State.LOCKED, State.DISABLED):
        await rig.accounts.people.change(HOST, user.id, Changed(state=state))
        with pytest.raises(LogInRefused, match="locked"):
            await user_of(rig)
    now = await rig.accounts.people.get(user.id)
    assert (now.state, now.roles) == ("disabled", ("viewer",))


async def test_the_last_admin_stays_one(rig: Rig) -> None:
    user = await user_of(rig, ALICE._replace(groups=("heads",)))
    with pytest.raises(LastAdmin):
        await user_of(rig)
    assert (await rig.accounts.people.get(user.id)).roles == ("admin",)


async def test_nobody_is_added_where_the_profile_does_not_say_so(rig: Rig) -> None:
    closed = RULES._replace(create=False)
    with pytest.raises(LogInRefused, match="does not yet"):
        await user_of(rig, rules=closed)
    user = await user_of(rig)
    assert await user_of(rig, rules=closed) == user


async def test_who_was_removed_is_forgotten_and_comes_as_somebody_new(rig: Rig) -> None:
    user = await user_of(rig)
    await rig.accounts.people.remove(HOST, user.id)
    with pytest.raises(LogInRefused):
        await user_of(rig, rules=RULES._replace(create=False))
    assert (await user_of(rig)).id != user.id


@pytest.mark.parametrize(
    "claims",
    [Claims("", "alice", ("staff",)), Claims("s" * 5000, "a", ("staff",)), Claims("s", "a", ("staff",) * (MOST_GROUPS + 1))],
)
async def test_claims_without_end_or_without_a_subject_are_nobodys(rig: Rig, claims: Claims) -> None:
    with pytest.raises(LogInRefused):
        await user_of(rig, claims)


async def test_a_role_that_there_is_not_is_said(rig: Rig) -> None:
    with pytest.raises(UserRefused, match="no role 'boss'"):
        rig.accounts.federated.judge(RULES._replace(roles={"staff": ["boss"]}))
    rig.accounts.federated.judge(RULES)


async def test_no_password_is_that_of_a_user_without_one(rig: Rig) -> None:
    await user_of(rig)
    for password in ("", "correct horse battery"):
        with pytest.raises(WrongCredentials):
            await rig.log_in("alice", password)


async def test_a_user_for_whom_a_log_in_vouches_gets_tokens_unless_he_is_locked(rig: Rig) -> None:
    user = await user_of(rig)
    grant = await rig.accounts.sessions.enter(user.id, "oidc", "a browser", "192.0.2.1")
    assert (await rig.accounts.callers.authenticate(grant.access_token)).user == user.id
    assert [one.client for one in await rig.accounts.sessions.all_of(user.id)] == ["a browser"]
    assert rig.notes[-1].detail == "by oidc a browser"
    await rig.accounts.people.change(HOST, user.id, Changed(state=State.LOCKED))
    for who in (user.id, "nobody"):
        with pytest.raises(WrongCredentials):
            await rig.accounts.sessions.enter(who, "oidc")
        assert rig.notes[-1].denied
