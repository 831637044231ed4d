"""Services: found by rows, called over whichever instance is good, offered with a health that travels."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import pytest
from rigs.village import House, Village, village

from appliance.sdk import BadAnswer, Client, Connection, NoInstance, SDKError, ServiceTaken
from appliance.sdk.offering import HealthState, Offering, ServiceConfig
from appliance.sdk.service import Service

Answers = Callable[[Connection], Awaitable[None]]


async def says_its_name(house: House, connection: Connection) -> None:
    async with connection:
        await connection.readexactly(1)
        await connection.write(house.name.encode().ljust(8))


@asynccontextmanager
async def offered(house: House, answers: Answers | None = None, **registration: object) -> AsyncIterator[Offering]:
    """The service `name` of that house."""
    answers = answers or (lambda connection: says_its_name(house, connection))

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            async for connection in offering:
                tasks.create_task(quietly(answers(connection)))

    async with house.client() as client, await client.service("name").register(**registration) as offering:  # type: ignore[arg-type]
        serving = asyncio.create_task(serve())
        yield offering
        serving.cancel()
        await asyncio.wait([serving])


async def quietly(work: Awaitable[None]) -> None:
    try:
        await work
    except SDKError:
        return


async def ask(connection: Connection) -> str:
    await connection.write(b"?")
    return (await connection.readexactly(8)).decode().strip()


@pytest.fixture
async def four() -> AsyncIterator[Village]:
    async with village("ask", "one", "two", "six") as made:
        yield made


async def test_an_instance_is_found_with_what_it_says_of_itself(four: Village) -> None:
    async with four["ask"].client() as client:
        name = client.service("name")
        assert await name.discover() == ()
        async with offered(four["one"], metadata={"version": "2"}, load=lambda: 0.43):
            [instance] = await name.discover(fresh=True)
            assert (instance.node, instance.identity) == ("one", four["one"].identity)
            assert (instance.healthy, instance.load, instance.metadata) == (True, 40, {"version": "2"})
            assert await name.call(ask) == "one"
        assert await name.discover(fresh=True) == (), "what is served no more is offered no more"


async def test_a_list_is_kept_for_a_while(four: Village) -> None:
    async with four["ask"].client(discover_s=3600.0) as client:
        name = client.service("name")
        await name.discover()
        async with offered(four["one"]):
            assert await name.discover() == ()
            assert len(await name.discover(fresh=True)) == 1


async def test_who_follows_hears_who_comes_and_goes(four: Village) -> None:
    async with four["ask"].client() as client, aclosing(client.service("name").watch()) as seen, asyncio.timeout(60):
        assert await anext(seen) == ()
        async with offered(four["one"]) as offering:
            assert [each.node for each in await anext(seen)] == ["one"]
            await offering.describe({"zone": "b"})
            assert [each.metadata for each in await anext(seen)] == [{"zone": "b"}]
        assert await anext(seen) == ()


async def test_an_application_that_dies_is_offered_no_more(four: Village) -> None:
    async with four["ask"].client() as client, four["one"].client() as server, asyncio.timeout(60):
        offering = await server.service("name").register()
        async with aclosing(client.service("name").watch()) as seen:
            assert len(await anext(seen)) == 1
            offering._listener._node.close()  # as the kernel does for one that was killed
            assert await anext(seen) == ()


async def test_one_host_serves_a_name_once(four: Village) -> None:
    async with offered(four["one"]), four["one"].client() as other:
        with pytest.raises(ServiceTaken):
            await other.service("name").register()
        with pytest.raises(SDKError, match="serves nothing"):
            await other.ask("service_health", {"service": "nothing"})


async def test_nobody_serves_it(four: Village) -> None:
    async with four["ask"].client(attempts=2) as client:
        with pytest.raises(NoInstance) as nobody:
            await client.service("name").connect(deadline=60)
        assert nobody.value.retryable


async def test_calls_are_spread(four: Village) -> None:
    async with AsyncExitStack() as stack:
        for name in ("one", "two", "six"):
            await stack.enter_async_context(offered(four[name]))
        client = await stack.enter_async_context(four["ask"].client(balancing="round-robin"))
        service = client.service("name")
        assert Counter([await service.call(ask) for _ in range(30)]) == {"one": 10, "two": 10, "six": 10}


async def test_one_killed_one_lying_about_its_health_and_one_slow_and_no_caller_sees_an_error(four: Village) -> None:
    """Shows 7. The killed one's row still says that it works; the liar takes streams and drops them."""

    async def lies(connection: Connection) -> None:
        connection.reset()

    async def slow(connection: Connection) -> None:
        await asyncio.sleep(0.02)
        await says_its_name(four["two"], connection)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(offered(four["one"], lies))
        await stack.enter_async_context(offered(four["two"], slow))
        dead = await stack.enter_async_context(four["six"].client())
        await dead.service("name").register()
        client = await stack.enter_async_context(four["ask"].client(backoff_first_s=0.001, discover_s=3600.0))
        service = client.service("name")
        assert len(await service.discover()) == 3
        await dead.close()
        answers = Counter([await service.call(ask, deadline=60) for _ in range(40)])
        assert answers == {"two": 40}
        report = service.report()["instances"]
        assert report["one"]["ejected"] == report["six"]["ejected"] == "5 calls in a row failed"
        assert report["one"]["healthy"], "it says so"
        assert not service.degraded
        assert service.report()["instances"]["two"]["used"]


async def test_when_all_are_bad_it_is_said_and_they_are_asked_nevertheless(four: Village) -> None:
    works = False

    async def sometimes(connection: Connection) -> None:
        if works:
            await says_its_name(four["one"], connection)
        else:
            connection.reset()

    async with offered(four["one"], sometimes), four["ask"].client(attempts=1) as client:
        service = client.service("name")
        for _ in range(6):
            with pytest.raises(SDKError):
                await service.call(ask, deadline=60)
        assert service.degraded == "degraded: all ejected"
        works = True
        assert await service.call(ask, deadline=60) == "one"


async def test_an_answer_that_is_no_good_is_asked_for_elsewhere(four: Village) -> None:
    async def only_two(connection: Connection) -> str:
        if (said := await ask(connection)) != "two":
            raise BadAnswer(f"{said} is out of date")
        return said

    async with offered(four["one"]), offered(four["two"]), four["ask"].client(backoff_first_s=0.001) as client:
        service: Service = client.service("name")
        assert {await service.call(only_two, deadline=60) for _ in range(8)} == {"two"}


async def test_an_instance_that_hangs_costs_one_attempt_and_no_more(four: Village) -> None:
    async def hangs(connection: Connection) -> None:
        await connection.readexactly(100)

    settings = {"backoff_first_s": 0.001, "attempts": 30}  # a machine that stands still for a second costs an attempt too
    async with offered(four["one"], hangs), offered(four["two"]), four["ask"].client(**settings) as client:
        service = client.service("name")
        assert {await service.call(ask, deadline=60, attempt_s=1.0) for _ in range(3)} == {"two"}
        assert client.metrics().open == 0, "what was under way is given up"


async def test_a_program_error_is_no_fault_of_the_instance_and_comes_out(four: Village) -> None:
    async def mistaken(_connection: Connection) -> None:
        raise ZeroDivisionError

    async with offered(four["one"]), four["ask"].client() as client:
        service = client.service("name")
        with pytest.raises(ZeroDivisionError):
            await service.call(mistaken)
        assert client.metrics().open == 0


async def test_a_check_that_fails_is_heard_by_the_others(four: Village) -> None:
    good = [True]

    async def works() -> bool:
        if not good[0]:
            raise ConnectionError("the database is away")
        return True

    async with offered(four["one"], health=works, config=ServiceConfig(fall=2)) as offering, four["ask"].client() as client:
        name = client.service("name")
        good[0] = False
        assert await offering.check()
        assert (await name.discover(fresh=True))[0].healthy, "once is not yet a failure"
        assert not await offering.check()
        assert not (await name.discover(fresh=True))[0].healthy
        async with offered(four["two"]):
            await name.discover(fresh=True)
            assert {await name.call(ask) for _ in range(5)} == {"two"}
        good[0] = True
        assert await offering.check()
        assert (await name.discover(fresh=True))[0].healthy


async def test_checks_go_on_by_themselves(four: Village) -> None:
    good = True
    checked = ServiceConfig(every_s=0.01, fall=1)
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        await stack.enter_async_context(offered(four["one"], health=lambda: good, config=checked))
        client = await stack.enter_async_context(four["ask"].client())
        seen = await stack.enter_async_context(aclosing(client.service("name").watch()))
        assert [each.healthy for each in await anext(seen)] == [True]
        good = False
        assert [each.healthy for each in await anext(seen)] == [False]


def test_a_service_falls_and_rises_by_checks_in_a_row() -> None:
    state = HealthState(ServiceConfig(fall=3, rise=2))
    said = [state.checked(good=good) for good in (False, False, True, False, False, False, True, False, True, True)]
    assert said == [True, True, True, True, True, False, False, False, False, True]


async def test_a_member_that_the_network_takes_for_dead_gets_no_calls(four: Village) -> None:
    async with offered(four["one"]), offered(four["two"]), four["ask"].client() as client:
        assert four.board is not None
        four.board.standings[four["one"].identity] = "dead"
        name = client.service("name")
        assert {await name.call(ask) for _ in range(10)} == {"two"}
        assert {each.node: each.standing for each in await name.discover()} == {"one": "dead", "two": "alive"}


async def test_without_a_network_only_this_host_is_known() -> None:
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(village("here", "there", members=False))
        for house in made.houses.values():
            await stack.enter_async_context(offered(house))
        client = await stack.enter_async_context(made["here"].client())
        [instance] = await client.service("name").discover()
        assert (instance.node, instance.own) == ("here", True)


async def test_a_client_closes_with_what_it_offers(four: Village) -> None:
    client: Client = four["one"].client()
    async with client:
        await client.service("name").register(health=lambda: True)
    async with four["ask"].client() as other:
        assert await other.service("name").discover() == ()


async def test_an_offering_outlives_its_node(four: Village) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        await stack.enter_async_context(offered(four["one"], metadata={"version": "2"}))
        client = await stack.enter_async_context(four["ask"].client(attempts=100, backoff_most_s=0.1))
        name = client.service("name")
        assert await name.call(ask, deadline=60) == "one"
        await four["one"].stop()
        await four["one"].start()
        assert await name.call(ask, deadline=60) == "one"
        assert [each.metadata for each in await name.discover(fresh=True)] == [{"version": "2"}]


async def test_an_offering_that_is_closed_ends_though_its_node_is_away(four: Village) -> None:
    async with four["one"].client() as client, asyncio.timeout(60):
        offering = await client.service("name").register()
        accepting = asyncio.create_task(offering.accept())
        await asyncio.sleep(0)
        await four["one"].stop()
        await offering.close()
        with pytest.raises(SDKError, match="offered no more"):
            await accepting
