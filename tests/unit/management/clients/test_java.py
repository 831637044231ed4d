"""Types of values in Java, records and methods. tests/clients compiles all of it and runs it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from appliance.management.clients.java import FOLDER, files
from appliance.management.descriptions.openapi import document
from appliance.management.operations.row import Arguments, Result, Row, Secret, Verb
from tests.unit.management.descriptions.rows import ROWS


def told(schemas: dict[str, Any]) -> str:
    """A record, One, whose only component is of that kind."""
    made = files({"info": {"version": "1"}, "paths": {}, "components": {"schemas": schemas}})
    return made[f"{FOLDER}/models/One.java"]


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, "String"),
        ({"type": "integer", "format": "int64"}, "long"),
        ({"type": ["integer", "null"]}, "Long"),
        ({"anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}]}, "Part"),
        ({"allOf": [{"$ref": "#/components/schemas/Part"}]}, "Part"),
        ({"$ref": "#/components/schemas/Any"}, "Map<String, Boolean>"),
        ({"$ref": "#/components/schemas/Itself"}, "Object"),
        ({"enum": ["a", "b"], "type": "string"}, "String"),
        ({"const": 1}, "long"),
        ({"type": "array", "items": {"type": "number"}}, "List<Double>"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, "List<Object>"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "Map<String, Boolean>"),
        ({"type": "object", "additionalProperties": True}, "Map<String, Object>"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "Object"),
        (True, "Object"),
    ],
)
def test_a_type(schema: Any, written: str) -> None:
    schemas = {
        "One": {"properties": {"value": schema}, "required": ["value"]},
        "Part": {"properties": {"size": {}}},
        "Itself": {"type": "array", "items": {"$ref": "#/components/schemas/Itself"}},
        "Any": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }
    assert f'@JsonProperty("value") {written} value)' in told(schemas)


def test_what_need_not_be_there_may_be_null() -> None:
    assert '@JsonProperty("size") Long size)' in told({"One": {"properties": {"size": {"type": "integer"}}}})


def test_methods_for_values_pages_streams_and_nothing() -> None:
    made = files(document(ROWS, "1.2", {}))
    client = made[f"{FOLDER}/Client.java"]
    for each in (
        "  public Things things() {\n    return things(ThingsArguments.of());",
        '  public Things things(ThingsArguments given) {\n    return ask("GET", "/api/v1/things", values("after", given.after(),',
        "  public Stream<Thing> thingsAll(ThingsArguments given) {",
        "  public EventStream<Thing> thingsFollow(ThingsFollowArguments given) {",
        '  public void thingsRemove(String name) {\n    ask("DELETE", "/api/v1/things/" + part(name), values(), null,',
        "  public Thing thingsChange(String name, double weight) {",
        '  public Part hello() {\n    return ask("POST", "/api/v1/hello", values(), null, Json.type(Part.class));',
    ):
        assert each in client
    assert "  public ThingsChangeArguments kind(String kind) {" in made[f"{FOLDER}/arguments/ThingsChangeArguments.java"]
    project = ET.fromstring(made["pom.xml"])
    assert project.findtext("{*}version") == "1.2"


class _Coming(Arguments):
    """In."""

    name: str
    code: str | None = None


class _Given(Result):
    """A token."""

    user: str
    token: Secret
    codes: list[Secret]


def test_a_record_prints_no_secrets() -> None:
    rows = (Row("come", "come in", "In", "", Verb.POST, "/come", _Given, _Coming),)
    made = files(document(rows, "1", {}))[f"{FOLDER}/models/_Given.java"]
    assert 'return "_Given[" + "user=" + user + ", " + "token=(secret)" + ", " + "codes=(secret)" + "]";' in made
