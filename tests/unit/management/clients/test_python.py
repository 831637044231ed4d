"""Types of values in Python, and names that would be in the way."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from appliance.management.clients.python import annotation, files
from appliance.management.descriptions.openapi import document
from appliance.management.operations.row import Arguments, Result, Row, Verb
from tests.unit.management.descriptions.rows import ROWS


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, "str"),
        ({"type": "integer", "format": "int64"}, "int"),
        ({"type": ["string", "null"]}, "str | None"),
        ({"anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}]}, "models.Part | None"),
        ({"allOf": [{"$ref": "#/components/schemas/Part"}]}, "models.Part"),
        ({"enum": ["a", "b"], "type": "string"}, "Literal['a', 'b']"),
        ({"const": 1}, "Literal[1]"),
        ({"type": "array", "items": {"type": "number"}}, "list[float]"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, "list[int | str]"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "dict[str, bool]"),
        ({"type": "object", "additionalProperties": True}, "dict[str, Any]"),
        ({"anyOf": [{}, {"type": "null"}]}, "Any"),
        (True, "Any"),
    ],
)
def test_a_type(schema: Any, written: str) -> None:
    assert annotation(schema) == written


def test_all_that_is_written_is_python() -> None:
    made = files(document(ROWS, "1.2", {}))
    for path, text in made.items():
        if path.endswith(".py"):
            ast.parse(text)
    assert "class Thing(TypedDict):" in made["appliance_client/models.py"]
    assert "async def things_all(" in made["appliance_client/client.py"]
    assert "def things_follow(" in made["appliance_client/client.py"]


class _Odd(Arguments):
    """With \"\"\" and a backslash: \\."""

    found: int = 0
    models: int = 0


class _Answer(Result):
    """What \"\"\" is answered."""

    found: int


def test_names_that_are_taken_and_quotes_within_words() -> None:
    row = Row("close", 'say """', "Test", "a.b", Verb.POST, "/close", _Answer, _Odd)
    made = files(document([row], "1.2", {}))["appliance_client/client.py"]
    methods = {each.name: each for each in ast.walk(ast.parse(made)) if isinstance(each, ast.AsyncFunctionDef)}
    assert [each.arg for each in methods["close_"].args.kwonlyargs] == ["found_", "models_"]
