from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.management.descriptions.asyncapi import events
from appliance.management.descriptions.openapi import document
from appliance.management.operations.table import ROWS as TABLE
from tests.unit.management.descriptions.rows import ROWS


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == "$ref")
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


@pytest.mark.parametrize("rows", [ROWS, TABLE], ids=["small", "whole"])
def test_each_stream_is_a_channel_and_all_references_lead_somewhere(rows: Any) -> None:
    made = events(document(rows, "1.2", {}))
    streams = {row.name.replace(".", "_"): row.full_path for row in rows if row.stream}
    assert {name: channel["address"] for name, channel in made["channels"].items()} == {**streams, "websocket": "/api/v1/ws"}
    assert set(made["operations"]) - {each for each in made["operations"] if each.startswith("say_")} == {*streams, "hear"}
    for reference in references(made):
        found: Any = made
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_an_event_has_an_id_a_kind_and_data() -> None:
    made = events(document(ROWS, "1.2", {}))
    payload = made["components"]["messages"]["things_follow"]["payload"]
    assert payload["required"] == ["id", "event", "data"]
    assert payload["properties"]["data"] == {"$ref": "#/components/schemas/Thing"}
    assert set(made["components"]["schemas"]) == {"Thing", "Part", "Problem"}
    assert made["operations"]["things_follow"]["action"] == "send"
