"""The JSON Schema (2020-12) of a template, made from the model: for editors, and for programs that write templates."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from appliance.management.jobs.template import TEMPLATE_VERSION, Template

SCHEMA_FILE: Final = f"template-{TEMPLATE_VERSION}.schema.json"


def schema_text() -> str:
    """The schema as it stands in a file. What needs two keys, or the table of operations, only `checks` can judge."""
    schema = Template.model_json_schema(schema_generator=_Generator)
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"urn:appliance:{SCHEMA_FILE}", "title": "Appliance template"}
    return (
        json.dumps(head | {key: value for key, value in schema.items() if key not in head}, indent=2, ensure_ascii=False) + "\n"
    )


class _Generator(GenerateJsonSchema):
    """Titles made from key names say nothing, so there are none."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False
