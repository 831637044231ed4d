"""Templates as jobs: what is told at once, and what becomes of an execution."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from appliance.api.stores import Put, StoreFull
from appliance.api_server.jobs.jobs import FORGOTTEN
from appliance.api_server.jobs.templates import TemplateUnknown
from appliance.management.jobs.dry_run import StepsNotPermitted
from appliance.management.jobs.events import Stale
from appliance.management.jobs.execution import ExecutionOver, ExecutionUnknown, JobsBusy, Limits, State
from appliance.management.jobs.idempotency import KEPT_SECONDS, KeyReused
from appliance.management.jobs.parameters import ParametersInvalid
from appliance.store.memory import MemoryStore
from tests.rigs.recording import RECORDED, recorded
from tests.rigs.virtual_loop import played
from tests.unit.api_server.jobs.house import ALICE, BOB, Node, User, after, house, new_store, states, until
from tests.unit.management.jobs.written import step, template

LOOK = template(step("health"), name="look")
SECRET = template(
    step("invite", arguments={"name": "${pin}"}),
    name="secret",
    parameters={"pin": {"type": "text", "secret": True, "required": True}},
)


def node(**answers: object) -> Node:
    found = Node(answers=dict(answers))  # type: ignore[arg-type]
    found.templates |= {"look": LOOK, "secret": SECRET}
    return found


# ---- what is told at once ----


def test_what_is_wrong_with_the_question_is_told_at_once_and_nothing_is_kept() -> None:
    async def story() -> None:
        async with house(node=node()) as here:
            for error, caller, name, given in (
                (TemplateUnknown, ALICE, "nope", {}),
                (ParametersInvalid, ALICE, "trial", {"window": 1}),
                (ParametersInvalid, ALICE, "trial", {"shell": "rm"}),
                (StepsNotPermitted, BOB, "trial", {}),
            ):
                with pytest.raises(error):
                    await here.jobs.start(caller, name, given)
                with pytest.raises(error):
                    here.jobs.dry_run(caller, name, given)
            assert await here.jobs.page("", 10) == ([], "")
            assert here.node.asked == []

    played(story())


def test_a_dry_run_does_nothing() -> None:
    async def story() -> None:
        async with house() as here:
            steps = here.jobs.dry_run(ALICE, "trial", {"window": 30})
            assert [one["operation"] for one in steps] == ["reload", "health", "confirm"]
            assert (here.node.asked, here.store.stats()["commits"]) == ([], 0)

    played(story())


# ---- an execution ----


def test_an_execution_runs_its_steps_for_its_user_and_keeps_their_answers() -> None:
    async def story() -> None:
        async with house() as here:
            begun = await here.jobs.start(ALICE, "trial", {"window": 30})
            assert begun.state is State.QUEUED
            done = await here.over(begun)
            assert done.state is State.SUCCEEDED
            assert here.node.asked == [
                ("reload", {"confirm_within": 30}, "alice"),
                ("health", {}, "alice"),
                ("confirm", {}, "alice"),
            ]
            assert [one.result for one in done.steps] == [{"ok": True}] * 3
            assert (await here.jobs.shown(BOB, begun.id))["progress"] == {"done": 3, "of": 3}

    played(story())


def test_an_execution_is_a_step_of_the_request_that_asked_for_it_though_it_runs_later() -> None:
    async def fails(_arguments: object) -> None:
        raise StoreFull("no room")

    async def story() -> None:
        async with house(node=node(reload=fails)) as here:
            with recorded() as kept:
                first = await here.jobs.start(ALICE, "look", {})
                second = await here.jobs.start(ALICE, "trial", {"window": 30})
            last = await here.jobs.start(ALICE, "look", {})
            for begun in (first, second, last):
                await here.over(begun)
        jobs = [(span.name, span.error, span.attributes["appliance.job.id"]) for span in kept if span.name.startswith("job ")]
        assert sorted(jobs) == sorted([("job look", "", first.id), ("job trial", "StoreFull", second.id)])
        assert {span.parent for span in kept if span.name.startswith("job ")} == {RECORDED.span}

    played(story())


def test_its_stream_tells_everything_and_a_cursor_goes_on_where_it_was_cut() -> None:
    async def story() -> None:
        async with house() as here:
            begun = await here.jobs.start(ALICE, "trial", {})
            live = [event async for event in here.jobs.follow(begun.id, None)]
            told = [(event.kind, json.loads(event.text)["state"]) for event in live]
            assert told == [
                ("state", "queued"),
                ("state", "running"),
                *(("step", state) for _ in range(3) for state in ("running", "done")),
                ("state", "succeeded"),
            ]
            for cut in range(len(live) + 1):
                rest = [event async for event in here.jobs.follow(begun.id, live[cut - 1].id if cut else 0)]
                assert rest == live[cut:]

    played(story())


def test_what_happens_to_executions_is_in_the_log_of_events() -> None:
    async def story() -> None:
        async with house(node=node()) as here:
            await here.over(await here.jobs.start(ALICE, "look", {}))
            kinds = []
            async for event in here.events.follow(0, {"jobs"}):
                kinds.append(event.kind)
                if event.kind == "jobs.succeeded":
                    break
            assert kinds == ["jobs.queued", "jobs.running", "jobs.succeeded"]

    played(story())


def test_everybody_has_his_turn_within_the_limits() -> None:
    async def story() -> None:
        limits = Limits(at_a_time=2, of_a_user=1, waiting_of_a_user=2)
        async with house(node=node(health=after(60, {"ok": True})), limits=limits) as here:
            alices = [await here.jobs.start(ALICE, "look", {}) for _ in range(3)]
            with pytest.raises(JobsBusy):
                await here.jobs.start(ALICE, "look", {})
            bobs = await here.jobs.start(BOB, "look", {})
            await until(lambda: len(here.node.asked) == 2)
            assert {name for _, _, name in here.node.asked} == {"alice", "bob"}
            assert here.jobs.stats() == {"waiting": 2, "running": 2, "started": 4}
            for one in [*alices, bobs]:
                assert (await here.over(one)).state is State.SUCCEEDED

    played(story())


def test_only_the_newest_are_kept_with_all_that_is_theirs() -> None:
    async def story() -> None:
        async with house(node=node(), limits=Limits(kept=3)) as here:
            made = [await here.over(await here.jobs.start(ALICE, "look", {})) for _ in range(10)]
            await until(lambda: here.jobs.stats()["succeeded"] == 10)
            await asyncio.sleep(1)
            items, following = await here.jobs.page("", 100)
            assert ([item["id"] for item in items], following) == ([one.id for one in reversed(made[-3:])], "")
            for gone in made[:-3]:
                with pytest.raises(ExecutionUnknown):
                    await here.jobs.get(gone.id)
            assert len(await here.store.scan("jobs.output", limit=1000)) < 40
            assert len({record.key.split("/")[0] for record in await here.store.scan("jobs.output", limit=1000)}) == 3

    played(story())


def test_pages_follow_each_other_the_newest_first() -> None:
    async def story() -> None:
        async with house(node=node()) as here:
            made = [await here.over(await here.jobs.start(ALICE, "look", {})) for _ in range(5)]
            first, following = await here.jobs.page("", 2)
            second, after_that = await here.jobs.page(following, 2)
            third, end = await here.jobs.page(after_that, 2)
            assert [item["id"] for item in (*first, *second, *third)] == [one.id for one in reversed(made)]
            assert end == ""
            assert await here.jobs.page("no id", 2) == (first, following)

    played(story())


# ---- cancelling ----


def test_one_that_waits_is_cancelled_at_once() -> None:
    async def story() -> None:
        async with house(node=node(health=after(60)), limits=Limits(at_a_time=1)) as here:
            first, second = [await here.jobs.start(ALICE, "look", {}) for _ in range(2)]
            assert (await here.jobs.cancel(second.id)).state is State.CANCELLED
            with pytest.raises(ExecutionOver):
                await here.jobs.cancel(second.id)
            assert states(await here.over(second)) == ["skipped"]
            assert (await here.over(first)).state is State.SUCCEEDED
            assert here.node.deeds == ["health"]

    played(story())


def test_a_step_that_reads_is_given_up_at_once() -> None:
    async def story() -> None:
        async with house(node=node(health=after(3600))) as here:
            begun = await here.jobs.start(ALICE, "look", {})
            await until(lambda: here.node.deeds == ["health"])
            assert (await here.jobs.cancel(begun.id)).state is State.CANCELLING
            now = asyncio.get_running_loop().time()
            ended = await here.over(begun)
            assert asyncio.get_running_loop().time() - now < 1
            assert (ended.state, states(ended)) == (State.CANCELLED, ["failed"])

    played(story())


def test_a_step_that_changes_something_comes_to_its_end_first_and_then_nothing_follows_but_the_undo() -> None:
    async def story() -> None:
        async with house(node=node(reload=after(30, {"ok": True}))) as here:
            begun = await here.jobs.start(ALICE, "trial", {})
            await until(lambda: here.node.deeds == ["reload"])
            await here.jobs.cancel(begun.id)
            assert (await here.jobs.cancel(begun.id)).state is State.CANCELLING
            ended = await here.over(begun)
            assert ended.state is State.CANCELLED
            assert states(ended) == ["undone", "skipped", "skipped"]
            assert here.node.deeds == ["reload", "rollback"]

    played(story())


def test_where_the_last_step_could_not_be_stopped_it_has_succeeded() -> None:
    async def story() -> None:
        async with house(node=node(confirm=after(30, {"ok": True}))) as here:
            begun = await here.jobs.start(ALICE, "trial", {})
            await until(lambda: "confirm" in here.node.deeds)
            await here.jobs.cancel(begun.id)
            assert (await here.over(begun)).state is State.SUCCEEDED

    played(story())


def test_there_is_nothing_to_cancel_of_one_that_nobody_knows() -> None:
    async def story() -> None:
        async with house() as here:
            for unknown in ("", "x", "0" * 36, "../../etc/passwd", "\ud800"):
                with pytest.raises(ExecutionUnknown):
                    await here.jobs.cancel(unknown)

    played(story())


# ---- the same request twice ----


def test_the_same_request_under_the_same_key_is_one_execution() -> None:
    async def story() -> None:
        async with house(node=node()) as here:
            same = await asyncio.gather(*(here.jobs.start(ALICE, "trial", {"window": 30}, "key") for _ in range(20)))
            assert len({one.id for one in same}) == 1
            await here.over(same[0])
            assert (await here.jobs.start(ALICE, "trial", {"window": 30}, "key")).state is State.SUCCEEDED
            with pytest.raises(KeyReused):
                await here.jobs.start(ALICE, "trial", {"window": 31}, "key")
            assert (await here.jobs.start(BOB, "look", {}, "key")).id != same[0].id
            assert here.node.deeds.count("reload") == 1
            await asyncio.sleep(KEPT_SECONDS + 1)
            assert (await here.jobs.start(ALICE, "trial", {"window": 31}, "key")).id != same[0].id

    played(story())


# ---- the process ends ----


def test_after_a_kill_what_waited_goes_on_and_what_ran_is_interrupted() -> None:
    async def story() -> None:
        store, first = new_store(), node(health=after(3600))
        killed = house(store, first, Limits(at_a_time=1))
        here = await killed.__aenter__()
        ran, waited = [await here.jobs.start(ALICE, "trial" if n == 0 else "look", {}) for n in range(2)]
        secret = await here.jobs.start(ALICE, "secret", {"pin": "hunter2"})
        await until(lambda: "health" in first.deeds)
        copy = await as_on_disk(store)  # kill -9: what was not committed is gone, and nobody says goodbye
        async with house(copy, node()) as again:
            assert (await again.over(waited)).state is State.SUCCEEDED
            interrupted = await again.jobs.get(ran.id)
            assert interrupted.state is State.INTERRUPTED
            assert states(interrupted) == ["done", "failed", "skipped"]
            told = [event async for event in again.jobs.follow(ran.id, None)]
            assert [event.id for event in told] == sorted({event.id for event in told})
            assert json.loads(told[-1].text)["state"] == "interrupted"
            forgotten = await again.jobs.get(secret.id)
            assert forgotten.state is State.INTERRUPTED
            assert forgotten.error is not None
            assert forgotten.error["message"] == FORGOTTEN
        await killed.__aexit__(None, None, None)

    played(story())


def test_who_ends_in_order_says_so() -> None:
    async def story() -> None:
        store = new_store()
        async with house(store, node(health=after(3600)), Limits(at_a_time=1)) as here:
            ran, waited = [await here.jobs.start(ALICE, "look", {}) for _ in range(2)]
            await until(lambda: here.node.deeds == ["health"])
            streams = [
                asyncio.get_running_loop().create_task(collected(here.jobs.follow(one.id, None))) for one in (ran, waited) * 50
            ]
            await asyncio.sleep(1)
        ends = [stream[-1] for stream in await asyncio.gather(*streams)]
        assert {json.loads(event.text)["state"] for event in ends} == {"interrupted", "queued"}
        async with house(store, node()) as again:
            assert (await again.over(waited)).state is State.SUCCEEDED
            assert (await again.jobs.get(ran.id)).state is State.INTERRUPTED

    played(story())


def test_secrets_are_nowhere_in_the_store() -> None:
    async def story() -> None:
        echo = node(invite=after(0, {"said": "welcome hunter2", "hunter2": 1}))
        async with house(node=echo) as here:
            done = await here.over(await here.jobs.start(ALICE, "secret", {"pin": "hunter2"}, "key"))
            assert here.node.asked == [("invite", {"name": "hunter2"}, "alice")]
            assert done.steps[0].result == {"said": "welcome [secret]", "[secret]": 1}
            everything = [await here.store.scan(f"jobs{end}", limit=1000) for end in ("", ".newest", ".output", ".work", ".keys")]
            assert "hunter2" not in str([everything, await here.store.tail("events", 0, 1000)])

    played(story())


def test_a_user_who_has_gone_or_may_not_any_more_gets_nothing_done() -> None:
    async def story() -> None:
        async with house(node=node(health=after(60)), limits=Limits(at_a_time=1)) as here:
            await here.jobs.start(ALICE, "look", {})
            changed, gone = await here.jobs.start(ALICE, "trial", {}), await here.jobs.start(BOB, "look", {})
            here.node.users = {
                "alice": ALICE._replace(permissions=frozenset({"node.read"})),
                "bob": BOB._replace(user="another bob"),
            }
            for one in (changed, gone):
                ended = await here.over(one)
                assert ended.state is State.FAILED
                assert ended.error is not None
                assert ended.error["code"] == "StepsNotPermitted"
            assert here.node.deeds == ["health"]

    played(story())


def test_who_may_less_while_his_job_runs_gets_no_further_step_done() -> None:
    async def story() -> None:
        async with house(node=node(health=after(60))) as here:
            here.node.templates["twice"] = template(step("health"), step("peers"), name="twice")
            running = await here.jobs.start(ALICE, "twice", {})
            await until(lambda: here.node.deeds == ["health"])
            asked = len(here.node.asked)
            here.node.users = {}
            ended = await here.over(running)
            assert len(here.node.asked) == asked
            assert (ended.state, ended.error and ended.error["code"]) == (State.FAILED, "StepsNotPermitted")

    played(story())


@pytest.mark.parametrize("now", [{}, {"alice": ALICE._replace(permissions=frozenset({"node.read"}))}])
def test_what_was_done_is_taken_back_with_the_rights_it_began_with(now: dict[str, User]) -> None:
    async def story() -> None:
        async with house(node=node(health=after(60))) as here:
            running = await here.jobs.start(ALICE, "trial", {})
            await until(lambda: here.node.deeds == ["reload", "health"])
            here.node.users = now
            here.node.answers["health"] = after(0, {"ok": False})
            ended = await here.over(running)
            assert here.node.asked[-1] == ("rollback", {}, "alice")
            assert states(ended) == ["undone", "failed", "skipped"]
            assert "confirm" not in here.node.deeds

    played(story())


def test_records_that_cannot_be_read_keep_nobody_from_starting() -> None:
    async def story() -> None:
        store = new_store()
        async with house(store, node(health=after(3600))) as here:
            damaged, later = [await here.jobs.start(ALICE, "look", {}) for _ in range(2)]
            await until(lambda: len(here.node.deeds) == 2)
            copy = await as_on_disk(store)
        record = await copy.get("jobs", later.id)
        await copy.commit(
            Put("jobs", damaged.id, b"\xff"),
            Put("jobs", later.id, record.value.replace(b'"running"', b'"paused"')),
            *(Put("jobs.newest", key, value) for key, value in (("a", b"{"), ("b", b"[]"), ("c", b'{"state": "queued"}'))),
        )
        async with house(copy, node()) as again:
            for one in (damaged, later):
                with pytest.raises(ExecutionUnknown):
                    await again.jobs.get(one.id)
            assert len((await again.jobs.page("", 100))[0]) == 2
            assert (await again.over(await again.jobs.start(ALICE, "look", {}))).state is State.SUCCEEDED

    played(story())


# ---- two API servers on one store ----


# ---- a store that is full ----


def test_with_a_full_store_nothing_is_begun_and_what_runs_waits_for_room() -> None:
    async def story() -> None:
        here_node = node(reload=after(5, {"ok": True}))
        async with house(node=here_node) as here:
            begun = await here.jobs.start(ALICE, "trial", {})
            await until(lambda: here_node.deeds == ["reload"])
            limit, here.store._limit = here.store._limit, 0
            with pytest.raises(StoreFull):
                await here.jobs.start(ALICE, "look", {})
            await asyncio.sleep(60)
            assert here_node.deeds == ["reload"]
            here.store._limit = limit
            assert (await here.over(begun)).state is State.SUCCEEDED
            assert len((await here.jobs.page("", 10))[0]) == 1

    played(story())


def test_with_a_full_store_an_end_in_order_takes_its_time_and_no_more() -> None:
    async def story() -> None:
        store = new_store()
        async with house(store, node(health=after(3600))) as here:
            ran = await here.jobs.start(ALICE, "look", {})
            await until(lambda: here.node.deeds == ["health"])
            limit, store._limit = store._limit, 0
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began <= 4
        store._limit = limit
        async with house(store, node()) as again:
            assert (await again.jobs.get(ran.id)).state is State.INTERRUPTED

    played(story())


def test_a_stream_whose_beginning_has_gone_says_so() -> None:
    async def story() -> None:
        counting = itertools.count()

        async def unlike(_arguments: object) -> object:
            return {"ok": next(counting)}

        unwell = node(health=unlike)
        unwell.templates["wait"] = template(step("health", within=500, expect={"ok": True}), name="wait")
        async with house(node=unwell, limits=Limits(output_events=50)) as here:
            ended = await here.over(await here.jobs.start(ALICE, "wait", {}))
            assert ended.state is State.FAILED
            told = [event async for event in here.jobs.follow(ended.id, 3)]
            assert isinstance(told[0], Stale)
            assert [event.id for event in told[1:]] == list(range(told[0].oldest, told[-1].id + 1))
            assert 40 < len(told) < 60

    played(story())


async def collected(stream: object) -> list[object]:
    return [item async for item in stream]  # type: ignore[attr-defined]


async def as_on_disk(store: MemoryStore) -> MemoryStore:
    """A store with what was committed."""
    import copy

    return copy.deepcopy(store)
