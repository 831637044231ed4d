"""Users come, change and go; nobody raises himself, and the last admin stays, even when two leave at once."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.stores import StoreBroken
from appliance.api_server.iam.people import Changed, NewUser
from appliance.api_server.iam.records import NoSuchRecord
from appliance.api_server.iam.sessions import WrongCredentials
from appliance.management.iam.changes import Actor, NotPermitted
from appliance.management.iam.lockout import TooManyAttempts
from appliance.management.iam.passwords import PasswordRefused
from appliance.management.iam.tokens import TokenNotValid
from appliance.management.iam.users import LastAdmin, NameTaken, State, UserRefused
from tests.unit.api_server.iam.rig import HOST, PASSWORD, Rig, actor

OTHER = "another good password"


async def test_a_user_is_found_by_id_and_by_name(rig: Rig) -> None:
    alice = await rig.user("alice", "viewer")
    assert await rig.accounts.people.get(alice.id) == alice
    assert await rig.accounts.people.named("alice") == alice
    for lost in (rig.accounts.people.get("a" * 24), rig.accounts.people.named("bob")):
        with pytest.raises(NoSuchRecord):
            await lost


async def test_users_are_listed_by_name_page_by_page(rig: Rig) -> None:
    for name in ("dora", "alice", "carol", "bob"):
        await rig.user(name)
    first = await rig.accounts.people.page("", 3)
    rest = await rig.accounts.people.page(first[-1].name, 3)
    assert [user.name for user in (*first, *rest)] == ["alice", "bob", "carol", "dora"]


async def test_of_fifty_who_want_one_name_one_gets_it(rig: Rig) -> None:
    prepared = [await rig.accounts.people.prepared(NewUser("alice", PASSWORD)) for _ in range(50)]
    outcomes = await asyncio.gather(*map(rig.accounts.people.added, prepared), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert len(await rig.store.scan("iam.users")) == 1


async def test_a_name_is_free_again_and_an_id_never_is(rig: Rig) -> None:
    before = await rig.user()
    with pytest.raises(NameTaken):
        await rig.user()
    await rig.accounts.people.remove(HOST, before.id)
    after = await rig.user()
    assert after.id != before.id


async def test_who_was_removed_is_out(rig: Rig) -> None:
    alice = await rig.user("alice", "operator")
    grant = await rig.log_in()
    program = await rig.accounts.programs.create(actor(await rig.known()), "backup", ("node.read",), 3600)
    await rig.accounts.people.remove(HOST, alice.id)
    for text in (grant.access_token, program[1]):
        with pytest.raises(TokenNotValid):
            await rig.accounts.callers.authenticate(text)
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(grant.refresh_token)
    with pytest.raises(WrongCredentials):
        await rig.log_in()
    for space in ("iam.users", "iam.names", "iam.activity", "iam.tokens", "iam.tokens-of"):
        assert await rig.store.scan(space) == [], space


async def test_nobody_raises_himself(rig: Rig) -> None:
    alice = await rig.user("alice", "operator")
    himself = actor(await rig.known())
    with pytest.raises(NotPermitted):
        await rig.accounts.people.change(himself, alice.id, Changed(roles=("admin",)))
    with pytest.raises(NotPermitted):
        await rig.accounts.people.create(himself, NewUser("puppet", PASSWORD, ("admin",)))
    lowered = await rig.accounts.people.change(himself, alice.id, Changed(roles=("viewer",)))
    assert lowered.roles == ("viewer",)


async def test_an_admin_of_users_does_not_become_an_admin_through_one(rig: Rig) -> None:
    rig = Rig(added={"clerk": ["users.manage"]})
    root = await rig.user("chief", "admin")
    await rig.user("clerk", "clerk")
    clerk = actor(await rig.known("clerk"))
    people = rig.accounts.people
    for attack in (
        people.set_password(clerk, root.id, OTHER),
        people.change(clerk, root.id, Changed(state=State.LOCKED)),
        people.remove(clerk, root.id),
        rig.accounts.second_factor.reset(clerk, root.id),
        rig.accounts.registration.invite(clerk, ("admin",), 60),
    ):
        with pytest.raises(NotPermitted):
            await attack
    assert await people.get(root.id) == root
    rig.accounts.close()


async def test_the_last_admin_stays(rig: Rig) -> None:
    root = await rig.first_user()
    himself = actor(await rig.known("chief"))
    for wanted in (Changed(roles=("operator",)), Changed(state=State.LOCKED), Changed(state=State.DISABLED)):
        with pytest.raises(LastAdmin):
            await rig.accounts.people.change(himself, root.id, wanted)
    with pytest.raises(LastAdmin):
        await rig.accounts.people.remove(himself, root.id)
    await rig.user("other", "admin")
    assert await rig.accounts.people.change(himself, root.id, Changed(roles=("operator",)))


async def test_two_admins_who_remove_each_other_at_once(rig: Rig) -> None:
    one, two = await rig.user("one", "admin"), await rig.user("two", "admin")
    other_server = rig.another()
    outcomes = await asyncio.gather(
        rig.accounts.people.remove(Actor(one.id, ("admin",)), two.id),
        other_server.people.remove(Actor(two.id, ("admin",)), one.id),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LastAdmin", "NoneType"]
    assert len(await rig.accounts.people.page("", 10)) == 1


async def test_a_change_says_what_changed_and_nothing_else_is_written(rig: Rig) -> None:
    alice = await rig.user("alice", "operator")
    same = await rig.accounts.people.change(HOST, alice.id, Changed(roles=("operator",), display=""))
    assert same == alice
    rig.clock.now += 5
    after = await rig.accounts.people.change(HOST, alice.id, Changed(display="Alice", email="a@example.org"))
    assert (after.display, after.email, after.changed) == ("Alice", "a@example.org", alice.changed + 5)
    assert rig.notes[-1].detail == "display, email"
    assert rig.told == ["user.added", "user.changed"]


@pytest.mark.parametrize("wanted", [Changed(roles=("emperor",)), Changed(email="nowhere"), Changed(display="a\nb")])
async def test_what_breaks_a_rule_is_refused(rig: Rig, wanted: Changed) -> None:
    alice = await rig.user()
    with pytest.raises(UserRefused):
        await rig.accounts.people.change(HOST, alice.id, wanted)


async def test_a_locked_user_comes_back_and_his_programs_with_him(rig: Rig) -> None:
    alice = await rig.user("alice", "operator")
    grant = await rig.log_in()
    _, text = await rig.accounts.programs.create(actor(await rig.known()), "backup", ("node.read",), 3600)
    await rig.accounts.people.change(HOST, alice.id, Changed(state=State.LOCKED))
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(text)
    await rig.accounts.people.change(HOST, alice.id, Changed(state=State.ACTIVE))
    assert await rig.accounts.callers.authenticate(text)
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(grant.refresh_token)


async def test_a_disabled_user_has_no_programs_any_more(rig: Rig) -> None:
    alice = await rig.user("alice", "operator")
    _, text = await rig.accounts.programs.create(actor(await rig.known()), "backup", ("node.read",), 3600)
    await rig.accounts.people.change(HOST, alice.id, Changed(state=State.DISABLED))
    await rig.accounts.people.change(HOST, alice.id, Changed(state=State.ACTIVE))
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(text)


async def test_a_new_password_ends_all_log_ins(rig: Rig) -> None:
    alice = await rig.user()
    grant = await rig.log_in()
    await rig.accounts.people.change_password(alice.id, PASSWORD, OTHER)
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(grant.access_token)
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(grant.refresh_token)
    with pytest.raises(WrongCredentials):
        await rig.log_in()
    assert await rig.log_in(password=OTHER)


async def test_a_stolen_access_token_does_not_change_the_password(rig: Rig) -> None:
    alice = await rig.user()
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            await rig.accounts.people.change_password(alice.id, "a guess of a thief", OTHER)
    with pytest.raises(TooManyAttempts):
        await rig.accounts.people.change_password(alice.id, PASSWORD, OTHER)
    assert await rig.log_in(), "and that holds up no log-in"


async def test_nor_does_an_admins(rig: Rig) -> None:
    root = await rig.user("chief", "admin")
    thief = actor(await rig.known("chief"))
    with pytest.raises(NotPermitted):
        await rig.accounts.people.set_password(thief, root.id, OTHER)
    with pytest.raises(NotPermitted):
        await rig.accounts.second_factor.reset(thief, root.id)


async def test_a_refused_password_is_refused_before_anything_is_asked(rig: Rig) -> None:
    alice = await rig.user()
    with pytest.raises(PasswordRefused):
        await rig.accounts.people.change_password(alice.id, PASSWORD, "short")
    assert await rig.store.scan("iam.attempts") == []


async def test_a_stolen_password_is_refused() -> None:
    rig = Rig(breached=lambda password: password == OTHER)
    with pytest.raises(PasswordRefused):
        await rig.user(password=OTHER)
    rig.accounts.close()


async def test_what_the_store_does_not_keep_did_not_happen(rig: Rig) -> None:
    alice = await rig.user("alice", "operator")
    rig.store.after = 0
    for failing in (
        rig.accounts.people.change(HOST, alice.id, Changed(roles=("admin",))),
        rig.accounts.people.remove(HOST, alice.id),
        rig.accounts.people.set_password(HOST, alice.id, OTHER),
        rig.accounts.people.create(HOST, NewUser("bob", PASSWORD)),
    ):
        with pytest.raises(StoreBroken):
            await failing
    rig.store.after = None
    assert await rig.accounts.people.page("", 10) == [alice]
    assert rig.told == ["user.added"]


async def test_twenty_changes_at_once_are_all_there(rig: Rig) -> None:
    alice = await rig.user()
    jobs = [rig.accounts.people.change(HOST, alice.id, Changed(display=f"A{number}")) for number in range(10)]
    jobs += [rig.accounts.people.change(HOST, alice.id, Changed(email=f"a{number}@example.org")) for number in range(10)]
    await asyncio.gather(*jobs)
    after = await rig.accounts.people.get(alice.id)
    assert after.display
    assert after.email
