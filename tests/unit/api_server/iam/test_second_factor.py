"""A second factor is begun with the password, counts once a code was made with it, and goes with the password or by an admin."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from appliance.api_server.iam.second_factor import SecondFactorRefused
from appliance.api_server.iam.sessions import SecondFactorNeeded, WrongCredentials
from appliance.management.iam.changes import Actor, NotPermitted
from appliance.management.iam.tokens import TokenNotValid
from tests.unit.api_server.iam.rig import HOST, PASSWORD, Rig


def code_of(secret: str, now: float) -> str:
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(int(now)).decode()


async def test_it_counts_only_once_a_code_was_made_with_it(rig: Rig) -> None:
    alice = await rig.user()
    begun = await rig.accounts.second_factor.begin(alice.id, PASSWORD)
    assert begun.secret in begun.uri
    assert await rig.log_in(), "somebody who closes the window is not locked out"
    for wrong in ("", "123456", code_of(begun.secret, rig.clock.now - 300)):
        with pytest.raises(SecondFactorRefused):
            await rig.accounts.second_factor.confirm(alice.id, wrong)
    codes = await rig.accounts.second_factor.confirm(alice.id, code_of(begun.secret, rig.clock.now))
    assert len(set(codes)) == 10
    with pytest.raises(SecondFactorNeeded):
        await rig.log_in()


async def test_it_ends_the_log_ins_from_before(rig: Rig) -> None:
    alice = await rig.user()
    grant = await rig.log_in()
    begun = await rig.accounts.second_factor.begin(alice.id, PASSWORD)
    await rig.accounts.second_factor.confirm(alice.id, code_of(begun.secret, rig.clock.now))
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(grant.access_token)


async def test_a_stolen_access_token_neither_adds_nor_takes_away(rig: Rig) -> None:
    alice = await rig.user()
    with pytest.raises(WrongCredentials):
        await rig.accounts.second_factor.begin(alice.id, "a guess of a thief")
    begun = await rig.accounts.second_factor.begin(alice.id, PASSWORD)
    await rig.accounts.second_factor.confirm(alice.id, code_of(begun.secret, rig.clock.now))
    with pytest.raises(WrongCredentials):
        await rig.accounts.second_factor.remove(alice.id, "a guess of a thief")
    with pytest.raises(SecondFactorRefused):
        await rig.accounts.second_factor.begin(alice.id, PASSWORD)
    await rig.accounts.second_factor.remove(alice.id, PASSWORD)
    assert await rig.log_in()


async def test_an_admin_helps_who_lost_it_and_nobody_else_does(rig: Rig) -> None:
    alice = await rig.user("alice", "operator")
    begun = await rig.accounts.second_factor.begin(alice.id, PASSWORD)
    await rig.accounts.second_factor.confirm(alice.id, code_of(begun.secret, rig.clock.now))
    with pytest.raises(NotPermitted):
        await rig.accounts.second_factor.reset(Actor("b1", ("viewer",)), alice.id)
    await rig.accounts.second_factor.reset(HOST, alice.id)
    assert await rig.log_in()
    assert rig.told[-2:] == ["user.second-factor.removed", "user.login"]


async def test_no_secret_is_printed_or_told(rig: Rig) -> None:
    alice = await rig.user()
    begun = await rig.accounts.second_factor.begin(alice.id, PASSWORD)
    codes = await rig.accounts.second_factor.confirm(alice.id, code_of(begun.secret, rig.clock.now))
    text = repr(begun) + repr(await rig.accounts.people.get(alice.id)) + repr(rig.notes)
    assert begun.secret not in text
    assert not any(code in text for code in codes)
