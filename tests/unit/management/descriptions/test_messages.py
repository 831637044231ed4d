from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from appliance.management.descriptions.examples import example
from appliance.management.descriptions.messages import messages
from appliance.management.descriptions.models import models
from appliance.management.operations.row import Row
from appliance.management.operations.table import ROWS

WHOLE = messages(ROWS, "1.2")
KNOWN = models(ROWS)


def judge(reference: str, value: Any) -> None:
    jsonschema.Draft202012Validator({**WHOLE, "$ref": reference}).validate(value)


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(WHOLE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_stranger_judges_messages_as_the_models_do(row: Row) -> None:
    told = WHOLE["x-operations"][row.name]
    judge(told["answers"], example(KNOWN.of(row.result), KNOWN.schemas))
    if row.example:
        judge(told["takes"], dict(row.example))
    if told["takes"]:
        with pytest.raises(jsonschema.ValidationError):
            judge(told["takes"], {"nobody knows": 1})
