from __future__ import annotations

from appliance.management.clients.operations import operations, resolved
from appliance.management.descriptions.openapi import document
from tests.unit.management.descriptions.rows import ROWS

DOCUMENT = document(ROWS, "1.2", {})
FOUND = {operation.name: operation for operation in operations(DOCUMENT)}


def test_every_operation_is_there_and_the_probes() -> None:
    assert set(FOUND) == {row.name.replace(".", "_") for row in ROWS} | {"process_alive", "node_ready"}


def test_arguments_come_from_wherever_they_stand_and_required_ones_first() -> None:
    change = FOUND["things_change"]
    assert [(each.name, each.where) for each in change.arguments] == [
        ("name", "path"),
        ("weight", "body"),
        ("kind", "body"),
        ("labels", "body"),
    ]
    assert [each.required for each in change.arguments] == [True, True, False, False]
    assert change.has_body


def test_answers_are_one_value_pages_or_streams_or_nothing() -> None:
    assert FOUND["things"].pages
    assert FOUND["things_follow"].stream
    assert not FOUND["things_follow"].pages
    assert FOUND["things_remove"].result is None
    assert FOUND["hello"].result == {"$ref": "#/components/schemas/Part"}


def test_a_reference_is_followed() -> None:
    assert resolved(DOCUMENT, {"$ref": "#/components/schemas/Part"})["title"] == "Part"
