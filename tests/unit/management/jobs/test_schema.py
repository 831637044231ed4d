"""The schema of templates in schemas/ is that of the code, and means the same."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from appliance.management.jobs.schema import SCHEMA_FILE, schema_text
from appliance.management.jobs.template import Template
from tests.unit.management.jobs.written import TRIAL

ROOT = Path(__file__).parents[4]


def test_the_committed_schema_is_the_generated_one() -> None:
    assert (ROOT / "schemas" / SCHEMA_FILE).read_text() == schema_text(), "run `make schemas`"


def test_a_template_fits_and_others_do_not() -> None:
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(TRIAL.model_dump_json(exclude_defaults=True))
    jsonschema.validate(document, schema)
    assert Template.model_validate(document) == TRIAL
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"run": "x"}, schema)
