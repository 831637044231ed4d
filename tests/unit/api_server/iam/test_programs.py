"""API tokens: they may what their scopes say and their owner still may, until they are over or revoked."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api_server.iam.people import Changed
from appliance.api_server.iam.records import NoSuchRecord
from appliance.management.iam.api_tokens import LAST_USED_EVERY, MOST_TOKENS, ApiToken, TokenRefused, client_secret
from appliance.management.iam.changes import Actor, NotPermitted
from appliance.management.iam.tokens import LIFE, TokenExpired, TokenNotValid
from appliance.management.iam.users import State
from tests.unit.api_server.iam.rig import HOST, Rig, actor

DAY = 86_400


async def made(rig: Rig, *scopes: str, seconds: int = DAY, name: str = "alice") -> tuple[ApiToken, str]:
    return await rig.accounts.programs.create(actor(await rig.known(name)), "backup", scopes or ("node.read",), seconds)


async def test_a_token_may_what_its_scopes_say(rig: Rig) -> None:
    await rig.user("alice", "operator")
    token, text = await made(rig, "node.read", "jobs.run")
    known = await rig.accounts.callers.authenticate(text)
    assert (known.name, known.how, known.number) == ("alice", "api-token", token.accessor)
    assert known.may("node.read", {})
    assert known.may("jobs.run", {})
    assert not known.may("node.change", {}), "its owner may, it may not"
    assert not known.may("self", {}), "so it makes no other tokens"


async def test_it_may_no_more_than_its_owner_still_may(rig: Rig) -> None:
    alice = await rig.user("alice", "operator")
    _, text = await made(rig, "node.read", "node.change")
    await rig.accounts.people.change(HOST, alice.id, Changed(roles=("viewer",)))
    known = await rig.accounts.callers.authenticate(text)
    assert known.may("node.read", {})
    assert not known.may("node.change", {})


async def test_nobody_makes_one_that_may_more_than_he(rig: Rig) -> None:
    await rig.user("alice", "viewer")
    for scope in ("node.change", "users.manage", "no.such", "audit.add"):
        with pytest.raises(NotPermitted):
            await made(rig, scope)


async def test_a_program_makes_tokens_only_within_its_own(rig: Rig) -> None:
    await rig.user("alice", "operator")
    _, text = await made(rig, "node.read", "self")
    program = actor(await rig.accounts.callers.authenticate(text))
    with pytest.raises(NotPermitted):
        await rig.accounts.programs.create(program, "more", ("node.change",), DAY)
    assert await rig.accounts.programs.create(program, "less", ("node.read",), DAY)


async def test_it_ends_in_time_and_when_it_is_revoked(rig: Rig) -> None:
    await rig.user("alice", "operator")
    _, short = await made(rig, seconds=60)
    token, long = await made(rig)
    rig.clock.now += 60
    with pytest.raises(TokenExpired):
        await rig.accounts.callers.authenticate(short)
    owner = actor(await rig.known())
    await rig.accounts.programs.revoke(owner, token.accessor, of_all=False)
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(long)
    with pytest.raises(NoSuchRecord):
        await rig.accounts.programs.revoke(owner, token.accessor, of_all=True)


@pytest.mark.parametrize("turns", range(8))
async def test_a_token_that_is_made_while_its_owner_is_disabled_is_gone(rig: Rig, turns: int) -> None:
    """Whichever comes first in the store, and whatever is read in between."""
    alice = await rig.user("alice", "operator")
    owner = actor(await rig.known())

    async def make() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await rig.accounts.programs.create(owner, "backup", ("node.read",), DAY)

    disabling = rig.accounts.people.change(HOST, alice.id, Changed(state=State.DISABLED))
    await asyncio.gather(make(), disabling, return_exceptions=True)
    assert await rig.store.scan("iam.tokens") == []
    assert await rig.store.scan("iam.tokens-of") == []


async def test_somebody_elses_token_is_not_there_for_others(rig: Rig) -> None:
    await rig.user("alice", "operator")
    await rig.user("bob", "operator")
    token, text = await made(rig)
    bob = actor(await rig.known("bob"))
    with pytest.raises(NoSuchRecord):
        await rig.accounts.programs.revoke(bob, token.accessor, of_all=False)
    assert await rig.accounts.programs.page_of(bob.user, "", 10) == []
    await rig.accounts.programs.revoke(bob, token.accessor, of_all=True)
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(text)


async def test_tokens_are_listed_page_by_page_without_secrets(rig: Rig) -> None:
    await rig.user("alice", "operator")
    made_here = {(await made(rig))[0].accessor for _ in range(5)}
    user = (await rig.known()).user
    first = await rig.accounts.programs.page_of(user, "", 3)
    rest = await rig.accounts.programs.page_of(user, first[-1].accessor, 3)
    assert {token.accessor for token in (*first, *rest)} == made_here
    assert [token.accessor for token in (*first, *rest)] == sorted(made_here)
    assert await rig.accounts.programs.page("", 10) == [*first, *rest]


async def test_so_many_tokens_and_no_more(rig: Rig) -> None:
    await rig.user("alice", "operator")
    owner = actor(await rig.known())
    for _ in range(MOST_TOKENS):
        await rig.accounts.programs.create(owner, "one", ("node.read",), DAY)
    with pytest.raises(TokenRefused):
        await rig.accounts.programs.create(owner, "one too many", ("node.read",), DAY)


async def test_somebody_on_the_host_makes_tokens_for_users_only(rig: Rig) -> None:
    with pytest.raises(TokenRefused):
        await rig.accounts.programs.create(HOST, "backup", ("node.read",), DAY)
    with pytest.raises(TokenRefused):
        await rig.accounts.programs.create(Actor("gone", ("admin",)), "backup", ("node.read",), DAY)
    alice = await rig.user("alice", "viewer")
    token, text = await rig.accounts.programs.create(HOST, "backup", ("node.read", "node.change"), DAY, alice.id)
    assert token.user == alice.id
    assert not (await rig.accounts.callers.authenticate(text)).may("node.change", {}), "it is hers, and she may not"
    root = await rig.user("chief", "admin")
    mine, _ = await rig.accounts.programs.create(Actor(alice.id, ("viewer",)), "mine", ("node.read",), DAY, root.id)
    assert mine.user == alice.id, "whoever is a user makes his own only"


async def test_the_last_use_is_noted_now_and_then(rig: Rig) -> None:
    await rig.user("alice", "operator")
    token, text = await made(rig)
    for _ in range(20):
        await rig.accounts.callers.authenticate(text)
    assert (await rig.accounts.programs.get(token.accessor)).last_used == int(rig.clock.now)
    assert (await rig.store.get("iam.tokens", token.accessor)).version == 2
    rig.clock.now += LAST_USED_EVERY
    await rig.accounts.callers.authenticate(text)
    assert (await rig.store.get("iam.tokens", token.accessor)).version == 3


async def test_a_store_without_room_keeps_nobody_out(rig: Rig) -> None:
    await rig.user("alice", "operator")
    _, text = await made(rig)
    rig.store.after = 0
    assert await rig.accounts.callers.authenticate(text)


async def test_a_use_and_a_revocation_at_once_leave_no_token(rig: Rig) -> None:
    await rig.user("alice", "operator")
    token, text = await made(rig)
    owner = actor(await rig.known())
    await asyncio.gather(
        *(rig.accounts.callers.authenticate(text) for _ in range(10)),
        rig.accounts.programs.revoke(owner, token.accessor, of_all=False),
        *(rig.accounts.callers.authenticate(text) for _ in range(10)),
        return_exceptions=True,
    )
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(text)
    assert await rig.store.scan("iam.tokens") == []


# ---- client credentials ----


async def test_a_client_gets_an_access_token_for_its_secret(rig: Rig) -> None:
    await rig.user("alice", "operator")
    token, text = await made(rig, "node.read", "jobs.run")
    grant = await rig.accounts.programs.client_grant(token.accessor, client_secret(text))
    assert grant.expires_in == LIFE
    known = await rig.accounts.callers.authenticate(grant.access_token)
    assert known.scopes == ("jobs.run", "node.read")
    assert known.family == ""
    less = await rig.accounts.programs.client_grant(token.accessor, text, "node.read")
    assert (await rig.accounts.callers.authenticate(less.access_token)).scopes == ("node.read",)
    with pytest.raises(TokenRefused):
        await rig.accounts.programs.client_grant(token.accessor, text, "node.read node.change")


async def test_its_access_token_ends_with_the_api_token(rig: Rig) -> None:
    await rig.user("alice", "operator")
    token, text = await made(rig)
    grant = await rig.accounts.programs.client_grant(token.accessor, client_secret(text))
    await rig.accounts.programs.revoke(actor(await rig.known()), token.accessor, of_all=False)
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(grant.access_token)


async def test_it_lasts_no_longer_than_the_api_token(rig: Rig) -> None:
    await rig.user("alice", "operator")
    token, text = await made(rig, seconds=60)
    assert (await rig.accounts.programs.client_grant(token.accessor, client_secret(text))).expires_in == 60


@pytest.mark.parametrize("wrong", ["", "x", "apl_", "\ud800", "a" * 58, "a" * 10**6])
async def test_a_client_with_a_wrong_secret_gets_nothing(rig: Rig, wrong: str) -> None:
    await rig.user("alice", "operator")
    token, text = await made(rig)
    other, other_text = await made(rig)
    for number, secret in (
        (token.accessor, wrong),
        (token.accessor, client_secret(other_text)),
        (other.accessor, text),
        (wrong, text),
    ):
        with pytest.raises(TokenNotValid):
            await rig.accounts.programs.client_grant(number, secret)
