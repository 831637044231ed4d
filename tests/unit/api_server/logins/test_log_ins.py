"""Log-ins by somebody else, step by step."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.profile_management import Management
from appliance.api_server.iam.people import Changed
from appliance.api_server.iam.records import NoSuchRecord
from appliance.api_server.iam.sessions import WrongCredentials
from appliance.api_server.iam.waiting import LogInOver
from appliance.api_server.logins import log_ins as module
from appliance.api_server.logins.log_ins import BEGUN_SECONDS, CODE_SECONDS, LogInFailed, LogInNotOpen, LogInPending, LogIns
from appliance.errors import HostError
from appliance.management.iam.federated import LogInRefused
from appliance.management.iam.lockout import FREE_FOR_ADDRESS, TooManyAttempts
from appliance.management.iam.users import State, UserRefused
from tests.unit.api_server.iam.rig import HOST, Rig
from tests.unit.api_server.logins.guest_house import ALICE, House, running

CALLBACK, ADDRESS = "https://node/login/house/callback", "192.0.2.1"


async def begun(log_ins: LogIns) -> tuple[dict[str, str], str]:
    """The parameters of the way back, and what the browser has."""
    going = await log_ins.begin("house", CALLBACK, ADDRESS)
    return {"state": going.url.partition("state=")[2], "code": "c"}, going.browser


async def code_of(log_ins: LogIns) -> tuple[str, str]:
    parameters, browser = await begun(log_ins)
    return await log_ins.finish("house", parameters, browser, ADDRESS), browser


async def test_from_the_first_step_to_tokens(log_ins: LogIns, house: House, rig: Rig) -> None:
    code, browser = await code_of(log_ins)
    grant = await log_ins.exchange(code, browser, "a browser", ADDRESS)
    assert (grant.user.name, grant.user.roles) == ("alice", ("viewer",))
    ((callback, kept, parameters),) = house.finished
    assert (callback, kept, parameters["code"]) == (CALLBACK, {"verifier": "v"}, "c")
    assert rig.told == ["user.added", "user.login"]
    assert (rig.notes[-1].detail, rig.notes[-1].address) == ("by house a browser", ADDRESS)


async def test_each_secret_is_another(log_ins: LogIns, house: House) -> None:
    found = [await begun(log_ins) for _ in range(3)]
    assert len({*house.secrets, *(browser for _, browser in found), *(parameters["state"] for parameters, _ in found)}) == 9


async def test_what_the_plugin_is_not_asked_about_it_cannot_answer_twice(log_ins: LogIns, house: House, rig: Rig) -> None:
    parameters, browser = await begun(log_ins)
    came = (log_ins.finish("house", parameters, browser, ADDRESS) for _ in range(4))
    ended = await asyncio.gather(*came, return_exceptions=True)
    assert sum(isinstance(each, LogInOver) for each in ended) == 3
    assert len(house.finished) == 1
    assert sum(note.denied for note in rig.notes) == 3


async def test_a_way_back_and_a_code_have_their_time(log_ins: LogIns, rig: Rig) -> None:
    parameters, browser = await begun(log_ins)
    rig.clock.now += BEGUN_SECONDS + 1
    with pytest.raises(LogInOver):
        await log_ins.finish("house", parameters, browser, ADDRESS)
    code, browser = await code_of(log_ins)
    rig.clock.now += CODE_SECONDS + 1
    with pytest.raises(LogInOver):
        await log_ins.exchange(code, browser, "", ADDRESS)


async def test_a_state_is_no_code_and_a_code_is_no_state(log_ins: LogIns) -> None:
    parameters, browser = await begun(log_ins)
    with pytest.raises(LogInOver):
        await log_ins.exchange(parameters["state"], browser, "", ADDRESS)
    code, browser = await code_of(log_ins)
    with pytest.raises(LogInOver):
        await log_ins.finish("house", {"state": code}, browser, ADDRESS)


async def test_who_is_locked_between_two_steps_is_out(log_ins: LogIns, rig: Rig) -> None:
    code, browser = await code_of(log_ins)
    user = await rig.accounts.people.named("alice")
    await rig.accounts.people.change(HOST, user.id, Changed(state=State.LOCKED))
    with pytest.raises(WrongCredentials):
        await log_ins.exchange(code, browser, "", ADDRESS)


async def test_what_a_plugin_raises_is_said_or_not_as_it_is_and_a_log_in_ends(
    log_ins: LogIns, house: House, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for raised, said in (
        (HostError("the provider says no", hint=""), "house: the provider says no"),
        (KeyError("a secret"), "house failed: this should not have happened"),
        (SystemExit("a secret"), "house failed: this should not have happened"),
        (asyncio.CancelledError("a secret"), "house failed: this should not have happened"),
    ):
        parameters, browser = await begun(log_ins)
        house.raises = raised
        with pytest.raises(LogInFailed) as found:
            await log_ins.finish("house", parameters, browser, ADDRESS)
        assert found.value.message == said
        assert "a secret" not in rig.notes[-1].detail
        house.raises = None
        with pytest.raises(LogInOver):
            await log_ins.finish("house", parameters, browser, ADDRESS)


async def test_a_plugin_that_hangs_is_left(log_ins: LogIns, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLUGIN_SECONDS", 0.01)

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(house, "begin", hang)
    with pytest.raises(LogInFailed, match="in time"):
        await log_ins.begin("house", CALLBACK, ADDRESS)


async def test_a_plugin_keeps_no_more_than_it_may(log_ins: LogIns, house: House) -> None:
    for house.kept in ({"a": "x" * 20_000}, {str(at): "" for at in range(50)}):
        with pytest.raises(LogInFailed):
            await log_ins.begin("house", CALLBACK, ADDRESS)


async def test_begun_and_never_ended_counts_and_a_provider_that_is_away_does_not(log_ins: LogIns, house: House) -> None:
    house.raises = HostError("away")
    for _ in range(2 * FREE_FOR_ADDRESS):
        with pytest.raises(LogInFailed):
            await begun(log_ins)
    house.raises = None
    for _ in range(2 * FREE_FOR_ADDRESS):
        code, browser = await code_of(log_ins)
        await log_ins.exchange(code, browser, "", ADDRESS)
    for _ in range(FREE_FOR_ADDRESS):
        await begun(log_ins)
    with pytest.raises(TooManyAttempts):
        await begun(log_ins)


async def test_what_runs_and_what_does_not_is_told(log_ins: LogIns) -> None:
    assert log_ins.shown() == [
        {"name": "closed", "open": False, "devices": False},
        {"name": "house", "open": True, "devices": True},
    ]
    with pytest.raises(LogInNotOpen):
        await log_ins.begin("closed", CALLBACK, ADDRESS)
    with pytest.raises(NoSuchRecord):
        await log_ins.begin("none", CALLBACK, ADDRESS)


async def test_a_log_in_that_ended_is_closed(rig: Rig, house: House) -> None:
    async with running(rig, house) as log_ins:
        pass
    with pytest.raises(LogInNotOpen):
        await log_ins.begin("house", CALLBACK, ADDRESS)


async def test_roles_that_there_are_not_keep_a_log_in_closed_and_are_said(rig: Rig, house: House) -> None:
    log_ins = LogIns(rig.accounts, Management.model_validate({"logins": {"house": {"roles": {"staff": ["boss"]}}}}))
    with pytest.raises(UserRefused, match="no role 'boss'"):
        await log_ins.use("house", house)
    assert not log_ins.shown()[0]["open"]


async def test_a_device_logs_in_once_its_user_said_yes(log_ins: LogIns, house: House, rig: Rig) -> None:
    house.claims = None
    begun = await log_ins.begin_device("house", ADDRESS)
    assert (begun.url, begun.code, begun.seconds) == ("https://id/enter", "WDJB-MJHT", 300)
    for _ in range(3):
        with pytest.raises(LogInPending):
            await log_ins.finish_device(begun.device, "", ADDRESS)
        rig.clock.now += begun.interval
    house.claims = ALICE
    grant = await log_ins.finish_device(begun.device, "a program", ADDRESS)
    assert grant.user.name == "alice"
    with pytest.raises(LogInOver):
        await log_ins.finish_device(begun.device, "", ADDRESS)


async def test_who_asks_faster_than_the_provider_wants_is_held_back_here(log_ins: LogIns, house: House) -> None:
    begun = await log_ins.begin_device("house", ADDRESS)
    house.claims = None
    asked = (log_ins.finish_device(begun.device, "", ADDRESS) for _ in range(5))
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in ended] == [LogInPending] * 5
    house.raises = AssertionError("asked too early")
    with pytest.raises(LogInPending):
        await log_ins.finish_device(begun.device, "", ADDRESS)


async def test_a_device_has_its_time(log_ins: LogIns, rig: Rig) -> None:
    begun = await log_ins.begin_device("house", ADDRESS)
    rig.clock.now += 301
    with pytest.raises(LogInOver):
        await log_ins.finish_device(begun.device, "", ADDRESS)


async def test_devices_log_in_only_where_the_profile_says_so(rig: Rig, house: House) -> None:
    async with running(rig, house, devices=False) as log_ins:
        with pytest.raises(LogInRefused, match="devices"):
            await log_ins.begin_device("house", ADDRESS)
