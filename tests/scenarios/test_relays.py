"""Relays between whole nodes: two that know no address of each other's reach each other over a third."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping

import pytest
from rigs.relayed import SECONDS, Party, around_a_chain, around_a_relay, cross, delivers
from rigs.workers import until

from appliance.api.profile import Profile
from appliance.foundation import clock
from appliance.members.relays.desk import Desk
from appliance.members.relays.messages import End

Story = Callable[[Party, Party, Party], Awaitable[None]]


def told(story: Story, **wishes: object) -> None:
    """Run a story of A, the relay R, and B."""

    async def run() -> None:
        async with asyncio.timeout(SECONDS), around_a_relay(**wishes) as parties:  # type: ignore[arg-type]
            await story(*parties)

    asyncio.run(run())


def served(relay: Party) -> Mapping[str, int]:
    """What happened at the relay's desk."""
    return relay.node.optional.relays.serving.desk.counters  # type: ignore[union-attr]


def ends(relay: Party) -> set[str]:
    """Why circuits ended there."""
    return {name for name in served(relay) if name.startswith("ended-")}


def renew(party: Party) -> None:
    """All sessions of a node are due for new keys."""
    driver = party.node.driver
    for index in list(driver.node.sessions):
        driver.node._keeping.rotate(index, clock.monotonic())
    driver.settle()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("both_call", [False, True])
def test_packets_cross_a_relay_both_ways(workers: int, both_call: bool) -> None:
    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        assert a.way_to("B") == b.way_to("A") == "relay"
        assert a.way_to("R") == b.way_to("R") == "udp"

    told(story, workers=workers, both_call=both_call)


def test_the_longest_records_are_cut_in_two_and_joined() -> None:
    async def story(a: Party, _r: Party, b: Party) -> None:
        await cross(a, b)
        for size in (65400, 65435, 65436, 65479):  # the last is as long as a record can hold
            await delivers(a, b, size)

    told(story)


def test_new_keys_on_the_way_to_the_relay_lose_no_circuit() -> None:
    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        carried = a.session("B")
        for _ in range(3):
            before = [party.session("R") for party in (a, b)]
            renew(r)
            await until(lambda before=before: all(party.session("R") not in before for party in (a, b)))
            await cross(a, b)
        assert a.session("B") is carried
        assert served(r) == {"circuits": 1}

    told(story)


def test_a_relays_worker_that_dies_loses_no_circuit() -> None:
    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        for pid in r.node.keeper.pids:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: r.node.keeper.restarts == 1)
        await cross(a, b)
        assert served(r)["circuits"] == 1

    told(story)


def test_the_end_of_a_link_is_the_end_of_its_circuit() -> None:
    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        a.node._drop(a.node.links.get(a.session("B").link))
        await until(lambda: len(ends(r)) == 1)
        await cross(a, b)
        assert served(r)["circuits"] == 2
        assert ends(r) <= {"ended-closed", "ended-replaced"}

    told(story)


def test_a_relay_that_stops_is_left_at_once() -> None:
    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        await r.node.stop()
        await until(lambda: a.session("B") is None and b.session("A") is None)
        assert not a.node.optional.relays.using.held

    told(story)


def test_a_relay_that_forgot_all_is_asked_when_it_has_another_session(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("WATCH_SECONDS", "IDLE_SECONDS", "PICK_SECONDS"):
        monkeypatch.setattr(f"appliance.runtime.members.relays.using.{pause}", 10 * SECONDS)

    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        serving = r.node.optional.relays.serving
        for circuit in serving.desk:  # nobody is told, as when its process was killed and started again
            for peer, channel in ((circuit.caller, circuit.caller_channel), (circuit.callee, circuit.callee_channel)):
                r.node.keeper.close_channel(peer, channel)
        serving.desk = Desk(serving.desk.limits)
        renew(r)
        await cross(a, b)
        assert served(r)["circuits"] == 1  # whoever asked before both were there was refused, and asked again

    told(story)


def test_a_relay_behind_one_that_failed_is_not_to_blame() -> None:
    async def story() -> None:
        async with asyncio.timeout(SECONDS), around_a_chain(2) as (a, _near, far, b):
            await cross(a, b)
            speaks, family, using = asyncio.Event(), far.node.optional.relays._open, a.node.optional.relays.using
            answer = family._answer

            async def late(*words: object) -> object:
                await speaks.wait()
                return await answer(*words)

            family._answer = late
            question = asyncio.create_task(using._ask("2"))
            await asyncio.sleep(0)
            using._let_go_all("1", End.SILENT)
            await question
            assert not using._shuns("2")
            speaks.set()
            await cross(a, b)

    asyncio.run(story())


def test_a_chain_of_relays() -> None:
    async def story() -> None:
        async with asyncio.timeout(SECONDS), around_a_chain(3) as (a, *_, b):
            await cross(a, b)
            assert [a.way_to(relay) for relay in "123"] == ["udp", "relay", "relay"]
            assert b.way_to("A") == "relay"
            link = b.node.links.get(b.session("A").link)
            assert link.options["relays"] == 3

    asyncio.run(story())


@pytest.mark.parametrize(
    ("serve", "at", "reason"),
    [
        ({"serve": False}, ["R"], "not-serving"),
        ({"peers": ["B"]}, ["R"], "not-allowed"),
        ({"peers": ["A"]}, ["R"], "not-allowed"),
        ({}, [], "not-there"),
    ],
)
def test_a_refusal_says_why(serve: dict[str, object], at: list[str], reason: str) -> None:
    async def story(a: Party, _r: Party, _b: Party) -> None:
        peer = a.node.driver.node.peers["B"]
        await until(lambda: reason in peer.last_error)
        assert a.session("B") is None

    told(story, serve=serve, at=at)


def test_a_circuit_ends_after_its_bytes_and_is_made_anew() -> None:
    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        while "ended-bytes" not in ends(r):
            await delivers(a, b, 60000)
        await cross(a, b)
        assert served(r)["circuits"] > 1

    told(story, serve={"bytes": "1MB"})


def test_a_circuit_is_as_slow_as_the_relay_wants_it() -> None:
    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        began = clock.monotonic()
        for _ in range(20):
            await delivers(a, b, 40000)
        assert 8e6 * (clock.monotonic() - began) > 8 * 20 * 40000 - 1e6
        (circuit,) = r.node.optional.relays.serving.desk
        await until(lambda: circuit.moved[1] > 20 * 40000)
        (reported,) = r.node.optional.relays.report()["serves"]["circuits"]
        assert (reported["caller"], reported["callee"], reported["lost_records"]) == ("A", "B", 0)
        assert reported["to_callee_bytes"] == circuit.moved[1] > circuit.moved[0]

    told(story, serve={"rate": "8Mbit"})


def test_a_reload_makes_and_ends_a_relay() -> None:
    async def story(a: Party, r: Party, b: Party) -> None:
        await cross(a, b)
        before = r.profile
        await r.node.use(changed(before, relay=None))
        assert r.node.optional.relays.serving is None
        await until(lambda: a.session("B") is None and b.session("A") is None)
        await r.node.use(before)
        await cross(a, b)
        await a.node.use(changed(a.profile, peers=[each for each in a.profile.peers if each.name != "B"]))
        await until(lambda: not served_circuits(r))
        await a.node.use(a.profile)
        await cross(a, b)
        await b.node.use(changed(b.profile, peers=[each for each in b.profile.peers if each.name != "R"], relay=None))
        await until(lambda: not served_circuits(r) and a.session("B") is None)

    told(story)


def changed(profile: Profile, **keys: object) -> Profile:
    return profile.model_copy(update=keys)


def served_circuits(relay: Party) -> list[object]:
    return list(relay.node.optional.relays.serving.desk)
