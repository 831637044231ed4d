"""The JSON Schema (2020-12) of a profile, made from the model: for editors, and for programs that write profiles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from appliance.api.profile import PROFILE_VERSION, ProfileSection
from appliance.profile.model import Kinds, profile_model

SCHEMA_FILE = f"profile-{PROFILE_VERSION}.schema.json"


def json_schema(sections: Sequence[ProfileSection] = (), kinds: Kinds | None = None) -> dict[str, Any]:
    """The schema, with the sections and kinds of plugins if they are given.

    It describes each key by itself. What needs two keys (clashes, duplicates) only `load` can judge.
    """
    schema = profile_model(sections, kinds).model_json_schema(by_alias=True, schema_generator=_Generator)
    head = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:appliance:{SCHEMA_FILE}",
        "title": "Appliance profile",
    }
    return head | {key: value for key, value in schema.items() if key not in head}


def schema_text(sections: Sequence[ProfileSection] = (), kinds: Kinds | None = None) -> str:
    """The schema as it stands in a file."""
    return json.dumps(json_schema(sections, kinds), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Editors show titles before descriptions; titles made from key names say nothing, so there are none."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def generate(self, schema: Any, mode: Any = "validation") -> JsonSchemaValue:
        return super().generate(schema, mode)
