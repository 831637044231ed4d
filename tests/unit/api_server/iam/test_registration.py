"""The first user by the console's code, the others by invitations: each code as often as it may be used, by guessers never."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.stores import StoreBroken
from appliance.api_server.iam.people import Changed
from appliance.api_server.iam.records import NoSuchRecord
from appliance.api_server.iam.registration import Registering, TooManyInvitations
from appliance.management.iam.changes import HOST as ON_THE_HOST
from appliance.management.iam.invitations import MOST_INVITATIONS, CodeNotValid, CodeUsedUp
from appliance.management.iam.lockout import TooManyAttempts
from appliance.management.iam.passwords import PasswordRefused
from appliance.management.iam.users import NameTaken, State, User
from tests.unit.api_server.iam.rig import HOST, PASSWORD, Rig, actor


async def come(rig: Rig, code: str, name: str = "alice", **more: str) -> User:
    return await rig.accounts.registration.register(Registering(code, name, PASSWORD, **more))


async def first_code(rig: Rig) -> str:
    code = await rig.accounts.registration.first_code()
    assert code is not None
    return code


async def test_the_first_user_is_an_admin_and_then_there_is_no_such_code_any_more(rig: Rig) -> None:
    user = await come(rig, await first_code(rig))
    assert user.roles == ("admin",)
    assert await rig.accounts.registration.first_code() is None
    assert await rig.log_in()


async def test_the_first_code_is_good_once_among_fifty_and_on_two_servers(rig: Rig) -> None:
    code = await first_code(rig)
    servers = [rig.accounts, rig.another()]
    registering = [servers[turn % 2].registration.register(Registering(code, f"user{turn}", PASSWORD)) for turn in range(16)]
    outcomes = await asyncio.gather(*registering, return_exceptions=True)
    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CodeUsedUp) for outcome in outcomes) == 15
    assert len(await rig.accounts.people.page("", 100)) == 1


async def test_a_restart_makes_another_first_code_and_the_old_one_is_good_no_more(rig: Rig) -> None:
    old, new = await first_code(rig), await first_code(rig)
    with pytest.raises(CodeNotValid):
        await come(rig, old)
    assert await come(rig, new)


async def test_the_first_code_is_over_after_an_hour(rig: Rig) -> None:
    code = await first_code(rig)
    rig.clock.now += 3600
    with pytest.raises(CodeUsedUp):
        await come(rig, code)


async def test_the_first_code_is_over_once_somebody_else_made_an_admin(rig: Rig) -> None:
    code = await first_code(rig)
    await rig.user("chief", "admin")
    with pytest.raises(CodeUsedUp):
        await come(rig, code)


async def test_five_wrong_guesses_burn_a_code(rig: Rig) -> None:
    code = await first_code(rig)
    wrong = code[:-6] + ("Y" if code[-6] != "Y" else "Z") + code[-5:]
    outcomes = await asyncio.gather(*(come(rig, wrong) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, CodeNotValid) for outcome in outcomes)
    with pytest.raises(CodeNotValid):
        await come(rig, code)
    assert rig.told.count("user.code.wrong") == 5


async def test_a_stranger_who_has_seen_no_code_burns_none_and_waits(rig: Rig) -> None:
    code = await first_code(rig)
    made_up = "-".join(["00000"] * 6 + ["0000"])
    outcomes = []
    for _ in range(30):
        with pytest.raises((CodeNotValid, TooManyAttempts)) as told:
            await come(rig, made_up, address="198.51.100.1")
        outcomes.append(told.type)
    assert outcomes.count(TooManyAttempts) == 10
    assert await come(rig, code, address="192.0.2.1")


async def test_without_a_code_nobody_gets_a_password_hashed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.hasher, "hashed", None)
    with pytest.raises(CodeNotValid):
        await come(rig, "no code")


async def test_an_invitation_brings_its_roles_as_often_as_it_says(rig: Rig) -> None:
    await rig.first_user()
    root = actor(await rig.known("chief"))
    invitation, code = await rig.accounts.registration.invite(root, ("viewer",), 3600, uses=2, note="for two")
    assert (await come(rig, code, "one")).roles == ("viewer",)
    assert [one.uses for one in await rig.accounts.registration.page("", 10) if one.number == invitation.number] == [1]
    assert await come(rig, code, "two")
    with pytest.raises(CodeUsedUp):
        await come(rig, code, "three")


async def test_a_name_that_is_taken_uses_nothing_up(rig: Rig) -> None:
    await rig.first_user()
    _, code = await rig.accounts.registration.invite(actor(await rig.known("chief")), (), 3600)
    with pytest.raises(NameTaken):
        await come(rig, code, "chief")
    with pytest.raises(PasswordRefused):
        await rig.accounts.registration.register(Registering(code, "alice", "short"))
    assert await come(rig, code, "alice")


async def test_who_was_put_out_does_not_come_in_by_a_code_he_kept(rig: Rig) -> None:
    await rig.first_user()
    evil = await rig.user("evil", "admin")
    _, code = await rig.accounts.registration.invite(actor(await rig.known("evil")), ("admin",), 3600)
    await rig.accounts.people.change(HOST, evil.id, Changed(roles=("viewer",)))
    with pytest.raises(CodeNotValid):
        await come(rig, code)
    await rig.accounts.people.change(HOST, evil.id, Changed(roles=("admin",), state=State.LOCKED))
    with pytest.raises(CodeNotValid):
        await come(rig, code)
    await rig.accounts.people.remove(HOST, evil.id)
    with pytest.raises(CodeNotValid):
        await come(rig, code)


async def test_an_invitation_that_was_taken_back_is_none(rig: Rig) -> None:
    invitation, code = await rig.accounts.registration.invite(HOST, ("viewer",), 3600)
    assert invitation.made_by == ON_THE_HOST
    await rig.accounts.registration.revoke(HOST, invitation.number)
    with pytest.raises(CodeNotValid):
        await come(rig, code)
    with pytest.raises(NoSuchRecord):
        await rig.accounts.registration.revoke(HOST, invitation.number)


async def test_so_many_invitations_and_no_more_but_ended_ones_do_not_count(rig: Rig) -> None:
    for _ in range(MOST_INVITATIONS):
        await rig.accounts.registration.invite(HOST, (), 60)
    with pytest.raises(TooManyInvitations):
        await rig.accounts.registration.invite(HOST, (), 60)
    rig.clock.now += 60
    assert await rig.accounts.registration.invite(HOST, (), 60)


async def test_a_registration_that_the_store_could_not_keep_can_be_tried_again(rig: Rig) -> None:
    code = await first_code(rig)
    rig.store.after = 0
    with pytest.raises(StoreBroken):
        await come(rig, code)
    rig.store.after = None
    assert await come(rig, code)


def test_what_somebody_sends_is_not_printed() -> None:
    text = repr(Registering("SECRET-CODE", "alice", PASSWORD))
    assert "SECRET" not in text
    assert PASSWORD not in text
