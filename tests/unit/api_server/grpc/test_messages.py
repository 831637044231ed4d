"""Messages and JSON: nothing is lost on the way, and numbers stay numbers."""

from __future__ import annotations

from typing import Any

from google.protobuf import message_factory

from appliance.api_server.grpc.descriptors import pool_of
from appliance.api_server.grpc.messages import fill, json_of
from appliance.management.descriptions.examples import example
from appliance.management.descriptions.models import models
from appliance.management.descriptions.numbers import numbers
from appliance.management.descriptions.openapi import document
from appliance.management.descriptions.proto import text
from appliance.management.operations.table import ROWS as TABLE
from tests.unit.management.descriptions.rows import ROWS

POOL = pool_of(text(document(ROWS, "1", {}), numbers("")))
WHOLE = pool_of(text(document(TABLE, "1", {}), numbers("")))
THING = {
    "name": "a", "kind": "round", "part": {"size": 2**53 + 1, "parts": [{"size": 0, "parts": []}]}, "pair": [1, "b"],
    "labels": {"x": "y"}, "weight": 1.5, "newer": {"deep": [1, 2.5, True, None, {"a": "b"}]},
}  # fmt: skip


def message(pool: Any, name: str) -> Any:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"appliance.v1.{name}"))()


def test_what_has_no_field_comes_through_as_well_and_what_is_null_is_absent() -> None:
    thing = fill(message(POOL, "Thing"), THING | {"weight": None})
    back = json_of(type(thing).FromString(thing.SerializeToString()))
    assert back.pop("part") == {"size": 2**53 + 1, "parts": [{"size": 0}]}
    assert back == {name: value for name, value in THING.items() if name not in {"part", "weight"}}


def test_every_answer_of_the_table_comes_through() -> None:
    known = models(TABLE)
    for row in TABLE:
        told = example(known.of(row.result), known.schemas)
        back = json_of(fill(message(WHOLE, known.names[row.result]), told))
        assert {name: told.get(name) for name in back} | back == back, row.name
        assert all(value in (None, [], {}) for name, value in told.items() if name not in back), row.name


def test_what_cannot_be_absent_is_always_there() -> None:
    plain = json_of(fill(message(WHOLE, "UsersGetRequest"), {}))
    assert plain == {"name": ""}
    assert json_of(message(WHOLE, "StatusRequest")) == {}


def test_free_values_have_whole_numbers() -> None:
    said = {"whole": 3, "half": 0.5, "list": [1, None], "no": False}
    back = json_of(fill(message(WHOLE, "Status"), {"later": said}))["later"]
    assert back == said
    assert type(back["whole"]) is int
