"""The models of rows as JSON Schema (2020-12), each under the name by which descriptions refer to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from appliance.management.operations.row import Arguments, Nothing, Row

REFERENCE: Final = "#/components/schemas/{model}"
Schema = dict[str, Any]


class Models(NamedTuple):
    """`schemas` by name; `names` of the models that rows have."""

    schemas: dict[str, Schema]
    names: dict[type[BaseModel], str]

    def reference(self, model: type[BaseModel]) -> Schema:
        """What stands for a model."""
        return {"$ref": REFERENCE.format(model=self.names[model])}

    def of(self, model: type[BaseModel]) -> Schema:
        """Its schema; without properties for Nothing."""
        return self.schemas[self.names[model]] if model in self.names else {"type": "object", "properties": {}}


def models(rows: Sequence[Row]) -> Models:
    """All that these rows take and answer, and what is in that. Raises ValueError when two models have one name."""
    wanted = [(model, _mode(model)) for model in dict.fromkeys(_models(rows))]
    found, whole = models_json_schema(wanted, ref_template=REFERENCE, schema_generator=_Generator)
    unfit = sorted(name for name in whole.get("$defs", {}) if "__" in name or "-" in name)
    if unfit:
        raise ValueError(f"two models are called the same: {', '.join(unfit)}")
    names = {model: found[model, mode]["$ref"].rpartition("/")[2] for model, mode in wanted}
    return Models(dict(sorted(whole.get("$defs", {}).items())), names)


def generated(model: type[BaseModel]) -> Schema:
    """The schema of a model that no row has, with what is in it beside it under `$defs`."""
    return model.model_json_schema(ref_template=REFERENCE, schema_generator=_Generator)


def _models(rows: Sequence[Row]) -> list[type[BaseModel]]:
    return [model for row in rows for model in (row.arguments, row.result) if model is not Nothing]


def _mode(model: type[BaseModel]) -> Any:
    return "validation" if issubclass(model, Arguments) else "serialization"


class _Generator(GenerateJsonSchema):
    """Integers may need 64 bits: bytes are counted in them. Titles that repeat the names of properties are left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def int_schema(self, schema: Any) -> Schema:
        """As pydantic has it, with the format."""
        return {**super().int_schema(schema), "format": "int64"}
