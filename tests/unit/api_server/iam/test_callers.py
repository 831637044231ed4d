"""Whose token is it: without the store, except for a glance every five seconds."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.stores import StoreBroken
from appliance.api_server.iam.callers import BELIEVED, Known
from appliance.api_server.iam.people import Changed
from appliance.management.iam.tokens import LEEWAY, LIFE, TokenExpired, TokenNotValid
from appliance.management.iam.users import State
from tests.unit.api_server.iam.rig import HOST, Rig


async def test_a_thousand_requests_read_the_store_once_in_five_seconds(rig: Rig) -> None:
    await rig.user()
    text = (await rig.log_in()).access_token
    await rig.accounts.callers.authenticate(text)
    before = rig.store.reads
    for _ in range(1000):
        await rig.accounts.callers.authenticate(text)
    assert rig.store.reads == before
    rig.clock.now += BELIEVED
    await rig.accounts.callers.authenticate(text)
    assert rig.store.reads == before + 1


async def test_another_servers_lock_counts_here_after_five_seconds(rig: Rig) -> None:
    alice = await rig.user()
    text = (await rig.log_in()).access_token
    here, there = rig.accounts, rig.another()
    assert await here.callers.authenticate(text)
    await there.people.change(HOST, alice.id, Changed(state=State.LOCKED))
    rig.clock.now += BELIEVED
    with pytest.raises(TokenNotValid):
        await here.callers.authenticate(text)


async def test_a_clock_that_goes_back_does_not_keep_what_is_believed(rig: Rig) -> None:
    alice = await rig.user()
    text = (await rig.log_in()).access_token
    await rig.accounts.callers.authenticate(text)
    await rig.another().people.change(HOST, alice.id, Changed(state=State.LOCKED))
    rig.clock.now -= BELIEVED
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(text)


async def test_a_change_while_somebody_looks_is_not_forgotten(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store answers with yesterday's user, and meanwhile he is locked: that answer must not be believed for five seconds."""
    alice = await rig.user()
    text = (await rig.log_in()).access_token
    looked, go_on = asyncio.Event(), asyncio.Event()
    get = rig.store.get

    async def slow(space: str, key: str) -> object:
        record = await get(space, key)
        if space == "iam.users" and not looked.is_set():
            looked.set()
            await go_on.wait()
        return record

    monkeypatch.setattr(rig.store, "get", slow)
    asking = asyncio.get_running_loop().create_task(rig.accounts.callers.authenticate(text))
    await looked.wait()
    await rig.accounts.people.change(HOST, alice.id, Changed(state=State.LOCKED))
    go_on.set()
    await asking
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(text)


@pytest.mark.parametrize(
    "text", ["", "a", "a.b.c", "apl_", "apl_" + "0" * 16 + "_" + "a" * 58, "\ud800", "x" * 10**6, "." * 10**6]
)
async def test_what_is_no_token_is_refused(rig: Rig, text: str) -> None:
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(text)


async def test_a_broken_store_lets_nobody_in_who_is_not_known(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.user()
    text = (await rig.log_in()).access_token

    async def broken(*_: object) -> None:
        raise StoreBroken("the disk is gone", hint="")

    monkeypatch.setattr(rig.store, "get", broken)
    with pytest.raises(StoreBroken):
        await rig.accounts.callers.authenticate(text)


def test_what_somebody_may() -> None:
    person = Known("a1", "alice", ("operator",))
    assert person.may("node.change", {})
    assert person.may("self", {})
    assert not person.may("users.manage", {})
    program = person._replace(scopes=("node.read", "users.manage", "self"))
    assert program.may("node.read", {})
    assert program.may("self", {})
    assert not program.may("node.change", {})
    assert not program.may("users.manage", {}), "a scope gives nothing that the roles do not"
    assert person._replace(roles=("lamp",)).may("lights.switch", {"lamp": ["lights.switch"]})


async def test_a_token_that_was_verified_still_ends_in_time(rig: Rig) -> None:
    await rig.user()
    text = (await rig.log_in()).access_token
    for _ in range(3):
        assert await rig.accounts.callers.authenticate(text)
    rig.clock.now += LIFE + LEEWAY
    with pytest.raises(TokenExpired):
        await rig.accounts.callers.authenticate(text)
    rig.clock.now -= 2 * LIFE
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(text)


async def test_a_changed_letter_is_another_token_also_after_the_right_one_was_seen(rig: Rig) -> None:
    await rig.user()
    text = (await rig.log_in()).access_token
    assert await rig.accounts.callers.authenticate(text)
    for at in range(0, len(text), 11):
        with pytest.raises(TokenNotValid):
            await rig.accounts.callers.authenticate(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
