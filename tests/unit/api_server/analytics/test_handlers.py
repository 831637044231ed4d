from __future__ import annotations

from typing import Any

import pytest

from appliance.api_server.analytics.handlers import handlers
from appliance.api_server.answering import Call
from appliance.api_server.problems import NotFound
from appliance.management.operations.analytics import ROWS
from tests.unit.api_server.analytics.test_sampler import Node, looks

BY_NAME = {row.name: row for row in ROWS}
NOBODY: Any = None


async def told(name: str, **arguments: Any) -> Any:
    """The answer of a row after half an hour, held against its model."""
    node = Node()
    sampler = node.sampler()
    await looks(sampler, 180)
    row = BY_NAME[name]
    call = Call(row, NOBODY, row.arguments.model_validate(arguments), NOBODY, "1")
    answer = await handlers(sampler)[name](call)
    row.result.model_validate(answer)
    return answer


def test_each_row_has_a_handler() -> None:
    assert handlers(Node().sampler()).keys() == BY_NAME.keys()


async def test_a_summary() -> None:
    answer = await told("analytics.summary", seconds=3590)
    assert answer["drops"]["reasons"][0]["label"] == "no_session"
    assert answer["drops"]["reasons"][0]["mean"] == pytest.approx(0.2)
    assert answer["remembering"]["missed"] == 0


async def test_one_figure_over_time() -> None:
    answer = await told("analytics.series", metric="drops", label="no_session", seconds=600, points=10)
    assert len(answer["points"]) <= 11
    assert answer["unit"] == "packets"
    assert (await told("analytics.series", metric="drops", label="unheard of"))["points"] == []
    with pytest.raises(NotFound, match="no metric"):
        await told("analytics.series", metric="unheard of")


async def test_which_figures_there_are_page_by_page() -> None:
    found: list[str] = []
    after = ""
    while True:
        page = await told("analytics.metrics", after=after, limit=3)
        found += [f"{item['metric']} {item['label']}" for item in page["items"]]
        if not (after := page["next"]):
            break
    assert found == sorted(found)
    assert "drops no_session" in found
    assert len(found) == len(set(found))


async def test_nothing_is_out_of_the_ordinary() -> None:
    assert await told("analytics.anomalies", over=0) == {"now": [], "over": [], "held_back": 0, "unwatched": 0}
