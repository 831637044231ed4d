"""What may become of a value that goes to the server, and of one that comes from it."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.management.compatibility.schemas import Side, compare

TEXT, NUMBER, WHOLE, NULL = {"type": "string"}, {"type": "number"}, {"type": "integer"}, {"type": "null"}
NONE = {"anyOf": [TEXT, NULL]}


def thing(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def found(old: Any, new: Any, *, to_server: bool) -> list[str]:
    return [f"{change.kind}: {change.where} {change.sentence}" for change in compare(old, new, "it", Side(to_server, {}, {}))]


@pytest.mark.parametrize(
    ("old", "new", "to_server", "from_server"),
    [
        (TEXT, TEXT, [], []),
        (TEXT, {**TEXT, "description": "said differently", "default": "a"}, [], []),
        (TEXT, WHOLE, ["breaking: it takes no string any more"], ["breaking: it may be integer now"]),
        (WHOLE, NUMBER, [], ["breaking: it may be number now"]),
        (NUMBER, WHOLE, ["breaking: it takes no number any more"], []),
        (TEXT, NONE, [], ["breaking: it may be null now"]),
        (NONE, TEXT, ["breaking: it may not be null any more"], []),
        ({"type": ["string", "null"]}, TEXT, ["breaking: it may not be null any more"], []),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, ['breaking: it takes only "a"'], []),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, ["addition: it takes more values"],
         ['breaking: it may have values that it did not have: "b"']),
        ({"const": "a", **TEXT}, TEXT, ["addition: it takes more values"],
         ["breaking: it may have values that it did not have: any"]),
        (TEXT, {**TEXT, "maxLength": 3}, ["breaking: it maxLength is 3 now"], []),
        ({**WHOLE, "minimum": 1}, {**WHOLE, "minimum": 2}, ["breaking: it minimum is 2 now"], []),
        ({**WHOLE, "minimum": 2}, {**WHOLE, "minimum": 1}, [], []),
        (TEXT, {**TEXT, "pattern": "^a"}, ["breaking: it has to have the form ^a now"], []),
        ({**TEXT, "format": "date"}, TEXT, ["breaking: it had the format date"], ["breaking: it had the format date"]),
        (thing(a=TEXT), thing(), ["breaking: it.a is not taken any more"], ["breaking: it.a is not told any more"]),
        (thing(), thing(a=TEXT), ["addition: it.a is new"], ["addition: it.a is new"]),
        (thing(), thing("a", a=TEXT), ["breaking: it.a is new, and required"], ["addition: it.a is new"]),
        (thing(a=TEXT), thing("a", a=TEXT), ["breaking: it.a is required now"], []),
        (thing("a", a=TEXT), thing(a=TEXT), [], ["breaking: it.a may be missing now"]),
        ({"type": "array", "items": TEXT}, {"type": "array", "items": WHOLE},
         ["breaking: it[] takes no string any more"], ["breaking: it[] may be integer now"]),
        ({"type": "object", "additionalProperties": TEXT}, {"type": "object", "additionalProperties": WHOLE},
         ["breaking: it.* takes no string any more"], ["breaking: it.* may be integer now"]),
        ({"anyOf": [TEXT, WHOLE]}, {"anyOf": [TEXT, WHOLE, {"type": "boolean"}]},
         ["addition: it takes more than before"], ["breaking: it may be something else than before"]),
        ({"anyOf": [TEXT, WHOLE]}, TEXT, ["breaking: it takes less than before"], ["addition: it is less than before"]),
        ({}, TEXT, ["breaking: it may not be null any more",
                    "breaking: it takes no array, boolean, integer, number, object any more"], []),
    ],
)  # fmt: skip
def test_one_value(old: Any, new: Any, to_server: list[str], from_server: list[str]) -> None:
    assert found(old, new, to_server=True) == to_server
    assert found(old, new, to_server=False) == from_server


def test_references_in_a_circle_have_an_end() -> None:
    itself = {"$ref": "#/components/schemas/A"}
    with pytest.raises(ValueError, match="circle"):
        list(compare(itself, TEXT, "it", Side(to_server=True, old={"A": itself}, new={})))


def test_a_schema_within_itself_has_an_end() -> None:
    node = {"$ref": "#/components/schemas/Node"}
    old = {"Node": thing(next=node, name=TEXT)}
    new = {"Node": thing(next=node, name=WHOLE)}
    assert [change.where for change in compare(node, node, "it", Side(to_server=False, old=old, new=new))] == ["it.name"]
