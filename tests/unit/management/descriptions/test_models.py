from __future__ import annotations

from typing import Any

import pytest

from appliance.management.descriptions.models import models
from appliance.management.operations.row import Arguments, Nothing, Result
from tests.unit.management.descriptions.rows import ROWS, Change, Part, Thing

KNOWN = models(ROWS)


def test_each_model_has_a_name_and_what_is_in_it_too() -> None:
    assert set(KNOWN.schemas) == {"Change", "Named", "Page", "Part", "Thing", "Things"}
    assert KNOWN.reference(Thing) == {"$ref": "#/components/schemas/Thing"}
    assert KNOWN.of(Nothing)["properties"] == {}


def test_integers_are_64_bits_wide() -> None:
    assert KNOWN.of(Part)["properties"]["size"] == {"description": "Bytes.", "format": "int64", "type": "integer"}


def test_arguments_refuse_what_nobody_knows_and_answers_may_grow() -> None:
    assert KNOWN.of(Change)["additionalProperties"] is False
    assert KNOWN.of(Thing)["additionalProperties"] is True


def test_what_has_a_default_may_be_missing() -> None:
    assert KNOWN.of(Thing)["required"] == ["name", "kind"]
    assert KNOWN.of(Change)["required"] == ["name", "weight"]


def test_two_models_of_one_name_are_refused() -> None:
    def another(base: type[Any]) -> Any:
        class Part(base):  # type: ignore[misc]
            """Another."""

        return Part

    row = ROWS[0]
    for other in (row._replace(result=another(Result)), row._replace(arguments=another(Arguments))):
        with pytest.raises(ValueError, match="two models are called the same"):
            models([*ROWS, other._replace(name="other")])
