"""The reference of the API is that of today's table, and shows requests that are right."""

from __future__ import annotations

import json
import re
import runpy
import shlex

import pytest

from appliance.management.operations.row import PUBLIC, Row
from appliance.management.operations.table import ROWS
from tests.docs.markdown import ROOT

MADE = runpy.run_path(str(ROOT / "docs/api_reference.py"))
PAGE = (ROOT / "docs/api.md").read_text()
SECTIONS = dict(re.findall(r"^### (\S+)\n\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_it_is_made_from_the_table() -> None:
    assert MADE["reference"]() == PAGE, "write it again: make docs"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_operation_is_told_with_a_request_that_is_right(row: Row) -> None:
    section = SECTIONS[row.name.replace(".", "_")]
    assert f"`{row.verb} {row.full_path}`" in section
    assert row.permission == PUBLIC or f"`{row.permission}`" in section
    for name in row.arguments.model_fields:
        assert f"`{row.arguments.model_fields[name].alias or name}`" in section
    words = shlex.split(section.split("```text\n")[1].split("\n```")[0])
    assert ("Authorization: Bearer $TOKEN" in words) == (row.permission != PUBLIC)
    if "-d" in words:
        row.arguments.model_validate(dict(row.example) | json.loads(words[words.index("-d") + 1]))
