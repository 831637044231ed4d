"""Anomalies as events: followers hear of a beginning and of an end, once each, whatever the store and the process do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.api.stores import Put, StoreFull
from appliance.api_server.analytics.telling import KEY, MOST_WAITING, SPACE, Telling
from appliance.api_server.jobs.event_log import EventLog
from appliance.management.analytics.anomalies import Anomaly, Change, Watch
from appliance.store.memory import MemoryStore

NOON = 1_764_072_000


def change(*, began: bool, label: str = "no_session") -> Change:
    until = None if began else NOON + 60
    return Change(began, Anomaly("drops-rising", label, NOON, until, 40.0, "drops: 40/s, usual 0.2/s", "look"))


class Store(MemoryStore):
    full = False

    async def commit(self, *changes: Any, durable: bool = True) -> list[int]:
        if self.full:
            raise StoreFull("no room")
        return await super().commit(*changes, durable=durable)


@pytest.fixture
def store() -> Store:
    return Store(clock=lambda: float(NOON))


async def said(store: Store) -> list[tuple[str, Any]]:
    told = [json.loads(entry.value) for entry in (await store.tail("events", limit=1000)).entries]
    return [(kind, json.loads(text)) for kind, text in told]


async def test_an_event_has_the_rule_the_reason_and_what_to_do(store: Store) -> None:
    telling = Telling(store, EventLog(store, wall=lambda: float(NOON)))
    await telling.tell(Watch(), [change(began=True), change(began=False)], NOON)
    (began, first), (ended, last) = await said(store)
    assert (began, ended) == ("anomalies.began", "anomalies.ended")
    assert {name: first[name] for name in ("rule", "label", "since", "until", "value", "reason", "todo")} == {
        "rule": "drops-rising",
        "label": "no_session",
        "since": NOON,
        "until": None,
        "value": 40.0,
        "reason": "drops: 40/s, usual 0.2/s",
        "todo": "look",
    }
    assert last["until"] == NOON + 60


async def test_in_a_log_that_several_share_it_says_whose_it_is(store: Store) -> None:
    telling = Telling(store, EventLog(store), ".second", "gateway")
    await telling.tell(Watch(), [change(began=True)], NOON)
    assert [told["node"] for _, told in await said(store)] == ["gateway"]
    assert await store.get(f"{SPACE}.second", KEY) is not None


async def test_where_nothing_changes_nothing_is_written(store: Store) -> None:
    telling = Telling(store, EventLog(store))
    await telling.tell(Watch(), [], NOON)
    assert await store.get(SPACE, KEY) is None
    assert not await said(store)


async def test_what_a_full_store_refuses_is_told_later_in_order(store: Store) -> None:
    telling = Telling(store, EventLog(store))
    store.full = True
    await telling.tell(Watch(), [change(began=True)], NOON)
    await telling.tell(Watch(), [change(began=False)], NOON)
    store.full = False
    await telling.tell(Watch(), [], NOON)
    await telling.tell(Watch(), [], NOON)
    assert [kind for kind, _ in await said(store)] == ["anomalies.began", "anomalies.ended"]


async def test_what_waits_is_bounded(store: Store) -> None:
    telling = Telling(store, EventLog(store))
    store.full = True
    for number in range(MOST_WAITING + 5):
        await telling.tell(Watch(), [change(began=True, label=str(number))], NOON)
    store.full = False
    await telling.tell(Watch(), [], NOON)
    assert telling.untold == 5
    assert [told["label"] for _, told in await said(store)] == [str(each) for each in range(5, MOST_WAITING + 5)]


async def test_what_cannot_be_read_costs_nothing_but_that(store: Store) -> None:
    await store.commit(Put(SPACE, KEY, b"\xff"))
    telling = Telling(store, EventLog(store))
    await telling.load(Watch())
    assert telling.broken == 1
    await telling.tell(Watch(), [change(began=True)], NOON)
    assert len(await said(store)) == 1
