"""Logging in, two tabs, copies, log-outs; and what strangers, clocks and broken stores do to them."""

from __future__ import annotations

import asyncio
import base64
import contextlib

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from appliance.api.stores import StoreBroken
from appliance.api_server.iam.records import NoSuchRecord
from appliance.api_server.iam.registration import Registering
from appliance.api_server.iam.sessions import LogIn, SecondFactorNeeded, WrongCredentials
from appliance.management.iam import passwords
from appliance.management.iam.lockout import LONGEST_WAIT, TooManyAttempts
from appliance.management.iam.passwords import NOBODY, Cost
from appliance.management.iam.refresh import GRACE, IDLE, MOST_FAMILIES
from appliance.management.iam.tokens import LEEWAY, LIFE, TokenExpired, TokenNotValid
from appliance.management.iam.users import State
from tests.unit.api_server.iam.rig import HOST, PASSWORD, Rig, actor


async def test_a_log_in_brings_tokens_that_say_who_it_is(rig: Rig) -> None:
    user = await rig.user("alice", "operator")
    grant = await rig.log_in("Alice", client="a browser")
    known = await rig.accounts.callers.authenticate(grant.access_token)
    assert (known.user, known.name, known.roles) == (user.id, "alice", ("operator",))
    assert grant.expires_in == LIFE
    assert rig.told == ["user.added", "user.login"]


@pytest.mark.parametrize("name", ["alice", "nobody", "", "a" * 10**6, "\ud800", "../x", "alice\0"])
async def test_a_wrong_password_and_a_wrong_name_are_one_error(rig: Rig, name: str) -> None:
    await rig.user()
    with pytest.raises(WrongCredentials) as told:
        await rig.log_in(name, "wrong password!")
    assert told.value.document() == WrongCredentials().document()


async def test_names_that_exist_and_that_do_not_cost_the_same(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many looks at the store, and one hash of the cost of today."""
    await rig.user()
    costs = dict[str, tuple[int, list[str]]]()
    for name in ("alice", "mallory"):
        hashes = list[str]()

        def counted(password: str, phc: str, hashes: list[str] = hashes) -> bool:
            hashes.append(phc or NOBODY)
            return False

        monkeypatch.setattr(passwords, "matches", counted)
        before = rig.store.reads
        with pytest.raises(WrongCredentials):
            await rig.log_in(name, "wrong password!")
        costs[name] = rig.store.reads - before, hashes
    assert costs["alice"][0] == costs["mallory"][0]
    assert len(costs["alice"][1]) == len(costs["mallory"][1]) == 1
    assert costs["mallory"][1] == [NOBODY]


@pytest.mark.parametrize("state", [State.LOCKED, State.DISABLED])
async def test_who_may_not_come_in_is_told_what_everybody_is_told(rig: Rig, state: State) -> None:
    user = await rig.user()
    grant = await rig.log_in()
    await rig.accounts.people.replaced(user.id, lambda before: before._replace(state=state))
    with pytest.raises(WrongCredentials):
        await rig.log_in()
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(grant.access_token)
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(grant.refresh_token)


# ---- guessing ----


async def test_a_guesser_waits_and_the_right_password_does_not_help_him_meanwhile(rig: Rig) -> None:
    await rig.user()
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            await rig.log_in("alice", "wrong password!", address="192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await rig.log_in(address="192.0.2.2")
    rig.clock.now += 30
    assert (await rig.log_in(address="192.0.2.2")).failed_before == 5, "the owner is told"
    assert (await rig.log_in(address="192.0.2.2")).failed_before == 0


async def test_names_that_nobody_has_are_slowed_down_alike(rig: Rig) -> None:
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            await rig.log_in("nobody", "wrong password!")
    with pytest.raises(TooManyAttempts):
        await rig.log_in("nobody", "wrong password!")


async def test_fifty_guesses_at_once_are_not_fifty_guesses(rig: Rig) -> None:
    await rig.user()
    guesses = [rig.log_in("alice", f"wrong password {number}") for number in range(50)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(outcome, WrongCredentials) for outcome in outcomes) == 5


async def test_a_stranger_holds_up_strangers_and_not_the_owner(rig: Rig) -> None:
    await rig.user()
    await rig.log_in(address="192.0.2.7")
    for turn in range(40):
        with pytest.raises((WrongCredentials, TooManyAttempts)):
            await rig.log_in("alice", "wrong password!", address=f"198.51.100.{turn % 4}")
        rig.clock.now += 60
    grant = await rig.log_in(address="192.0.2.7")
    assert grant.failed_before >= 5
    with pytest.raises(TooManyAttempts):
        await rig.log_in(address="198.51.100.200")
    rig.clock.now += LONGEST_WAIT
    assert await rig.log_in(address="198.51.100.200"), "and even strangers only for a while"


async def test_one_address_cannot_try_many_names(rig: Rig) -> None:
    outcomes = []
    for number in range(40):
        with pytest.raises((WrongCredentials, TooManyAttempts)) as told:
            await rig.log_in(f"user{number}", "wrong password!", address="2001:db8::1")
        outcomes.append(told.type)
    assert outcomes == [WrongCredentials] * 20 + [TooManyAttempts] * 20
    with pytest.raises(TooManyAttempts):
        await rig.log_in("user99", "wrong password!", address="2001:db8::2")


async def test_a_right_password_from_an_address_clears_no_others(rig: Rig) -> None:
    """Whoever has an account of his own must not wash the counter of his address by it."""
    await rig.user("mallory")
    refused = 0
    for number in range(30):
        try:
            await rig.log_in(f"user{number}", "wrong password!", address="192.0.2.1")
        except WrongCredentials:
            with contextlib.suppress(TooManyAttempts):
                await rig.log_in("mallory", address="192.0.2.1")
        except TooManyAttempts:
            refused += 1
    assert refused == 10


async def test_the_audit_log_hears_of_it_and_of_no_name_that_may_be_a_password(rig: Rig) -> None:
    await rig.user()
    for name in ("alice", PASSWORD):
        with pytest.raises(WrongCredentials):
            await rig.log_in(name, "wrong password!", address="192.0.2.1")
    assert [(note.what, note.denied, note.detail) for note in rig.notes[1:]] == [("user.login", True, "wrong password")] * 2
    assert rig.notes[-1].user == "nobody"
    assert PASSWORD not in repr(rig.notes)
    assert "192.0.2.1" in repr(rig.notes)


# ---- refreshing ----


async def test_a_refresh_brings_the_next_tokens(rig: Rig) -> None:
    await rig.user()
    first = await rig.log_in()
    rig.clock.now += LIFE + LEEWAY
    with pytest.raises(TokenExpired):
        await rig.accounts.callers.authenticate(first.access_token)
    second = await rig.accounts.sessions.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    assert await rig.accounts.callers.authenticate(second.access_token)


async def test_fifty_refreshes_at_once_are_one_and_log_nobody_out(rig: Rig) -> None:
    await rig.user()
    first = await rig.log_in()
    other = rig.another()
    servers = [rig.accounts, other]
    grants = await asyncio.gather(*(servers[turn % 2].sessions.refresh(first.refresh_token) for turn in range(50)))
    assert len({grant.refresh_token for grant in grants}) == 1
    families = await rig.store.scan("iam.families")
    assert [record.version for record in families] == [2], "one family, changed once"
    for grant in grants:
        assert await rig.accounts.callers.authenticate(grant.access_token)
    assert await rig.accounts.sessions.refresh(grants[0].refresh_token)


async def test_a_copy_that_is_used_after_the_grace_ends_that_family_only(rig: Rig) -> None:
    await rig.user()
    phone, laptop = await rig.log_in(), await rig.log_in()
    second = await rig.accounts.sessions.refresh(laptop.refresh_token)
    rig.clock.now += GRACE + 1
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(laptop.refresh_token)
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(second.refresh_token)
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(second.access_token)
    assert await rig.accounts.sessions.refresh(phone.refresh_token)
    assert await rig.accounts.callers.authenticate(phone.access_token)
    assert rig.told[-1] == "user.session.replayed"


async def test_fifty_copies_at_once_end_one_family_once(rig: Rig) -> None:
    await rig.user()
    first = await rig.log_in()
    await rig.accounts.sessions.refresh(first.refresh_token)
    rig.clock.now += GRACE + 1
    copies = (rig.accounts.sessions.refresh(first.refresh_token) for _ in range(50))
    outcomes = await asyncio.gather(*copies, return_exceptions=True)
    assert all(isinstance(outcome, TokenNotValid) for outcome in outcomes)
    assert await rig.store.scan("iam.families") == []


async def test_a_refresh_that_the_store_could_not_keep_can_be_asked_again(rig: Rig) -> None:
    await rig.user()
    first = await rig.log_in()
    rig.store.after = 0
    with pytest.raises(StoreBroken):
        await rig.accounts.sessions.refresh(first.refresh_token)
    rig.store.after = None
    rig.clock.now += 3600
    assert await rig.accounts.sessions.refresh(first.refresh_token), "nobody got the successor, so this is no copy"


async def test_a_clock_that_jumps(rig: Rig) -> None:
    await rig.user()
    first = await rig.log_in()
    rig.clock.now -= 86_400
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(first.access_token)
    second = await rig.accounts.sessions.refresh(first.refresh_token)
    assert await rig.accounts.callers.authenticate(second.access_token)
    rig.clock.now += 86_400 + IDLE
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(second.refresh_token)
    assert await rig.log_in()


async def test_a_clock_that_is_months_ahead_for_a_while_takes_away_no_log_in_no_token_and_no_invitation(rig: Rig) -> None:
    await rig.user("alice", "operator")
    log_in = await rig.log_in()
    known = await rig.accounts.callers.authenticate(log_in.access_token)
    _, token = await rig.accounts.programs.create(actor(known), "backup", ("node.read",), 86_400)
    _, code = await rig.accounts.registration.invite(HOST, ("viewer",), 3600)
    rig.clock.now += 100 * 86_400
    for refused in (rig.accounts.sessions.refresh(log_in.refresh_token), rig.accounts.callers.authenticate(token)):
        with pytest.raises((TokenExpired, TokenNotValid)):
            await refused
    assert await rig.log_in(), "which is written to the store"
    rig.clock.now -= 100 * 86_400
    assert (await rig.accounts.sessions.refresh(log_in.refresh_token)).user.name == "alice"
    assert (await rig.accounts.callers.authenticate(token)).how == "api-token"
    assert (await rig.accounts.registration.register(Registering(code, "bob", PASSWORD))).name == "bob"


async def test_a_roles_change_counts_with_the_next_refresh_and_for_this_server_at_once(rig: Rig) -> None:
    user = await rig.user("alice", "operator")
    grant = await rig.log_in()
    await rig.accounts.people.replaced(user.id, lambda before: before._replace(roles=("viewer",)))
    assert (await rig.accounts.callers.authenticate(grant.access_token)).roles == ("viewer",)
    assert (await rig.accounts.sessions.refresh(grant.refresh_token)).user.roles == ("viewer",)


@pytest.mark.parametrize("text", ["", "apr_", "x" * 10**6, "apr_" + "A" * 91, "\ud800"])
async def test_what_is_no_refresh_token_is_refused(rig: Rig, text: str) -> None:
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(text)


# ---- logging out ----


async def test_a_log_out_ends_its_family_and_its_access_token_here_at_once(rig: Rig) -> None:
    await rig.user()
    phone, laptop = await rig.log_in(), await rig.log_in()
    known = await rig.accounts.callers.authenticate(laptop.access_token)
    await rig.accounts.sessions.log_out(known.user, known.family)
    with pytest.raises(TokenNotValid):
        await rig.accounts.callers.authenticate(laptop.access_token)
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(laptop.refresh_token)
    assert await rig.accounts.callers.authenticate(phone.access_token)


async def test_a_log_out_everywhere_ends_all_on_every_server(rig: Rig) -> None:
    user = await rig.user()
    grants = [await rig.log_in() for _ in range(3)]
    other = rig.another()
    assert await other.callers.authenticate(grants[0].access_token)
    await rig.accounts.sessions.log_out_everywhere(user.id)
    for grant in grants:
        with pytest.raises(TokenNotValid):
            await rig.accounts.callers.authenticate(grant.access_token)
        with pytest.raises(TokenNotValid):
            await other.sessions.refresh(grant.refresh_token)
    rig.clock.now += 5
    with pytest.raises(TokenNotValid):
        await other.callers.authenticate(grants[0].access_token)
    assert await rig.known()


async def test_a_refresh_during_a_log_out_brings_nobody_back(rig: Rig) -> None:
    await rig.user()
    grant = await rig.log_in()
    known = await rig.accounts.callers.authenticate(grant.access_token)
    tries = [rig.accounts.sessions.refresh(grant.refresh_token) for _ in range(20)]
    await asyncio.gather(*tries, rig.accounts.sessions.log_out(known.user, known.family), return_exceptions=True)
    assert await rig.store.scan("iam.families") == []


async def test_with_too_many_log_ins_the_oldest_ends(rig: Rig) -> None:
    await rig.user()
    grants = [await rig.log_in() for _ in range(MOST_FAMILIES + 1)]
    with pytest.raises(TokenNotValid):
        await rig.accounts.sessions.refresh(grants[0].refresh_token)
    assert await rig.accounts.sessions.refresh(grants[1].refresh_token)
    assert len(await rig.store.scan("iam.families")) == MOST_FAMILIES


# ---- the second factor, and hashes ----


async def with_second_factor(rig: Rig) -> tuple[str, list[str]]:
    """The secret, and the recovery codes."""
    user = await rig.user()
    begun = await rig.accounts.second_factor.begin(user.id, PASSWORD)
    codes = await rig.accounts.second_factor.confirm(user.id, code_of(begun.secret, rig.clock.now))
    rig.clock.now += 90
    return begun.secret, codes


def code_of(secret: str, now: float) -> str:
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(now).decode()


async def test_with_a_second_factor_the_password_is_not_enough(rig: Rig) -> None:
    secret, _ = await with_second_factor(rig)
    with pytest.raises(SecondFactorNeeded):
        await rig.log_in()
    with pytest.raises(WrongCredentials):
        await rig.log_in(password="wrong password!")
    assert await rig.log_in(code=code_of(secret, rig.clock.now))


async def test_a_code_is_good_once_whoever_comes_with_it_at_the_same_moment(rig: Rig) -> None:
    secret, _ = await with_second_factor(rig)
    code = code_of(secret, rig.clock.now)
    outcomes = await asyncio.gather(*(rig.log_in(code=code) for _ in range(4)), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, WrongCredentials) for outcome in outcomes) == 3


async def test_a_recovery_code_is_good_once(rig: Rig) -> None:
    _, codes = await with_second_factor(rig)
    assert await rig.log_in(code=codes[0].upper())
    with pytest.raises(WrongCredentials):
        await rig.log_in(code=codes[0])
    assert await rig.log_in(code=codes[1])


async def test_codes_are_not_guessed_for_free_by_leaving_them_out_in_between(rig: Rig) -> None:
    await with_second_factor(rig)
    outcomes = []
    for turn in range(8):
        with pytest.raises((SecondFactorNeeded, WrongCredentials, TooManyAttempts)) as told:
            await rig.log_in(code="" if turn % 2 else "000000")
        outcomes.append(told.type)
    assert outcomes[5:] == [TooManyAttempts] * 3


async def test_a_hash_of_another_cost_is_made_anew_at_the_next_log_in(rig: Rig) -> None:
    user = await rig.user()
    grant = await rig.log_in()
    rig.hasher.cost = Cost(128, 1, 1)
    await rig.log_in()
    after = await rig.accounts.people.get(user.id)
    assert passwords.cost_of(after.password) == Cost(128, 1, 1)
    assert await rig.log_in()
    assert await rig.accounts.sessions.refresh(grant.refresh_token), "that is no new password, so nobody is logged out"


async def test_each_step_of_a_log_in_may_fail_in_the_store_and_the_next_works(rig: Rig) -> None:
    await rig.user()
    for step in range(3):
        rig.store.after = step
        with pytest.raises(StoreBroken):
            await rig.log_in()
        rig.store.after = None
    assert await rig.log_in()
    assert len(await rig.store.scan("iam.families")) == 1


async def test_nothing_secret_is_printed(rig: Rig) -> None:
    await rig.user()
    grant = await rig.log_in()
    text = repr(grant) + repr(LogIn("alice", PASSWORD, "123456")) + repr(rig.notes) + repr(HOST)
    assert grant.access_token not in text
    assert grant.refresh_token not in text
    assert PASSWORD not in text


async def test_who_logged_in_sees_his_log_ins_and_ends_one(rig: Rig) -> None:
    user = await rig.user()
    await rig.user("bob")
    first, second = await rig.known(client="a browser"), await rig.known(client="another")
    theirs = await rig.known("bob")
    sessions = rig.accounts.sessions
    assert [(each.id, each.client) for each in await sessions.all_of(user.id)] == [
        (second.family, "another"),
        (first.family, "a browser"),
    ]
    for family in (theirs.family, "0" * 32):
        with pytest.raises(NoSuchRecord):
            await sessions.log_out_elsewhere(user.id, family)
    await sessions.log_out_elsewhere(user.id, first.family)
    assert [each.id for each in await sessions.all_of(user.id)] == [second.family]
    await rig.accounts.people.replaced(user.id, lambda before: before._replace(epoch=before.epoch + 1))
    assert await sessions.all_of(user.id) == [], "they ended with the change"
    assert await sessions.all_of("nobody") == []
