"""Log-ins that go on elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api_server.iam.hashing import TooManyLogIns
from appliance.api_server.iam.waiting import MOST_WAITING, LogInOver, WaitingLogIns
from appliance.management.iam.lockout import FREE_FOR_ADDRESS, TooManyAttempts
from tests.unit.api_server.iam.rig import Rig


@pytest.fixture
def waiting(rig: Rig) -> WaitingLogIns:
    return rig.accounts.waiting


async def kept(waiting: WaitingLogIns, browser: str = "b", seconds: float = 60) -> str:
    secret = waiting.secret()
    await waiting.keep(secret, waiting.waiting("finish", "oidc", browser, seconds, {"x": "secret value"}))
    return secret


async def test_what_is_kept_is_taken_once_even_by_several_at_once(waiting: WaitingLogIns) -> None:
    secret = await kept(waiting)
    taken = await asyncio.gather(*(waiting.take("finish", secret, "b", "oidc") for _ in range(5)), return_exceptions=True)
    (well,) = [each for each in taken if not isinstance(each, LogInOver)]
    assert not isinstance(well, BaseException)
    assert well.kept == {"x": "secret value"}
    assert "secret value" not in repr(well)


@pytest.mark.parametrize(
    ("step", "browser", "login"), [("exchange", "b", ""), ("finish", "c", ""), ("finish", "", ""), ("finish", "b", "other")]
)
async def test_another_step_browser_or_log_in_takes_nothing_and_ends_nothing(
    waiting: WaitingLogIns, step: str, browser: str, login: str
) -> None:
    secret = await kept(waiting)
    with pytest.raises(LogInOver):
        await waiting.take(step, secret, browser, login)
    assert await waiting.take("finish", secret, "b")


@pytest.mark.parametrize("secret", ["", "x", "0" * 64, "s" * 5000])
async def test_nobody_finds_what_he_has_no_secret_of(waiting: WaitingLogIns, secret: str) -> None:
    await kept(waiting)
    with pytest.raises(LogInOver):
        await waiting.take("finish", secret, "b")


async def test_after_its_time_it_is_over(waiting: WaitingLogIns, rig: Rig) -> None:
    secret = await kept(waiting)
    rig.clock.now += 61
    with pytest.raises(LogInOver):
        await waiting.take("finish", secret, "b")


async def test_the_store_has_no_secret_by_which_it_is_found(waiting: WaitingLogIns, rig: Rig) -> None:
    secret = await kept(waiting, browser="the cookie of a browser")
    (record,) = await rig.store.scan("iam.waiting")
    assert secret not in f"{record.key} {record.value!r}"
    assert b"the cookie" not in record.value


async def test_one_address_begins_so_many_that_come_to_nothing(waiting: WaitingLogIns) -> None:
    for _ in range(50):
        await waiting.begin("192.0.2.1")
        await waiting.right("192.0.2.1")
    for _ in range(FREE_FOR_ADDRESS):
        await waiting.begin("192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await waiting.begin("192.0.2.1")
    await waiting.begin("192.0.2.2")


async def test_so_many_wait_at_once(waiting: WaitingLogIns, rig: Rig) -> None:
    for _ in range(MOST_WAITING):
        await kept(waiting)
    with pytest.raises(TooManyLogIns):
        await waiting.begin("192.0.2.1")
    rig.clock.now += 61
    await waiting.begin("192.0.2.1")
