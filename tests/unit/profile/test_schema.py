from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.profile import json_schema
from appliance.profile.document import walk
from appliance.profile.reading import read_file
from appliance.profile.schema import SCHEMA_FILE, schema_text

ROOT = Path(__file__).parents[3]
SCHEMA = json_schema()


def test_the_committed_schema_is_current() -> None:
    committed = (ROOT / "schemas" / SCHEMA_FILE).read_text()
    assert committed == schema_text(), "run: python -m appliance.profile.generate"


def test_it_is_of_the_2020_12_dialect_and_closed() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name, model in {"": SCHEMA, **SCHEMA["$defs"]}.items():
        below = {"additionalProperties": True, "type": "object"}  # settings of a kind that only its plugin knows
        assert model["additionalProperties"] == (below if name == "Routing" else False)


def test_every_reference_leads_somewhere() -> None:
    references = [value for path, value in walk(SCHEMA) if path and path[-1] == "$ref"]
    assert references
    assert {reference.removeprefix("#/$defs/") for reference in references} <= set(SCHEMA["$defs"])


def test_every_key_helps_the_editor() -> None:
    for name, schema in properties(SCHEMA):
        described = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        assert len(described.get("description", "")) > 10, name
        assert "default" in schema or name.rpartition(".")[2] in required(name), name


def properties(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in schema["properties"].items():
        yield f"{path}.{key}", value
    if not path:
        for name, model in schema["$defs"].items():
            yield from properties(model, name)


def required(name: str) -> list[str]:
    model = name.partition(".")[0]
    schema: dict[str, Any] = SCHEMA["$defs"][model] if model else SCHEMA
    return list(schema.get("required", []))


@pytest.mark.parametrize("path", sorted((ROOT / "profiles").glob("*.*")), ids=lambda path: path.name)
def test_the_examples_fit(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the jsonschema library judges the schema where it is installed")
    document, _ = read_file(path)
    assert document is not None
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document.tree)))
