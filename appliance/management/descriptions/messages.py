"""The schema (JSON Schema 2020-12) of what each operation takes and answers, in one document that stands by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.management.descriptions.models import models
from appliance.management.descriptions.problem import PROBLEM
from appliance.management.operations.row import Nothing, Row

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def messages(rows: Sequence[Row], version: str) -> dict[str, Any]:
    """`$defs` has each model; `x-operations` which of them an operation takes and answers, by its name."""
    known = models(rows)
    return {
        "$schema": DIALECT,
        "$id": "urn:appliance:messages.schema.json",
        "title": "Appliance messages",
        "description": f"What operations of version {version} take (all arguments, wherever they stand in a request) and answer.",
        "$defs": {name: _local(schema) for name, schema in sorted({**known.schemas, "Problem": PROBLEM}.items())},
        "x-operations": {
            row.name: {
                "takes": None if row.arguments is Nothing else f"#/$defs/{known.names[row.arguments]}",
                "answers": f"#/$defs/{known.names[row.result]}",
            }
            for row in rows
        },
    }


def _local(value: Any) -> Any:
    """With references that lead into this document."""
    if isinstance(value, Mapping):
        return {
            key: f"#/$defs/{each.rpartition('/')[2]}" if key == "$ref" and isinstance(each, str) else _local(each)
            for key, each in value.items()
        }
    return [_local(each) for each in value] if isinstance(value, list) else value
