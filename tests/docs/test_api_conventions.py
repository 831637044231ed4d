"""docs/api-conventions.md: the header fields that it has are those that the description has, and that answers have."""

from __future__ import annotations

import json
import re

import httpx

from tests.docs.markdown import ROOT
from tests.rigs.mock_api import mock_api

PAGE = (ROOT / "docs/api-conventions.md").read_text()
FIELDS = dict(re.findall(r"^\| `([\w-]+)` \| (request|answer|both) \|", PAGE, re.MULTILINE))
DESCRIBED = json.loads((ROOT / "schemas/openapi-3.1.json").read_text())["components"]


def test_what_a_request_may_have_is_described() -> None:
    taken = {each["name"] for each in DESCRIBED["parameters"].values() if each["in"] == "header"}
    assert {name for name, way in FIELDS.items() if way != "answer"} == taken | {"Authorization"}


def test_what_an_answer_has_is_there() -> None:
    with mock_api() as base:
        well = httpx.get(f"{base}/api/v1/status", headers={"authorization": "Bearer viewer"}, timeout=60)
        refused = httpx.delete(f"{base}/api/v1/status", timeout=60)
    told = {name.lower() for name, way in FIELDS.items() if way != "request"}
    assert told - {"retry-after"} <= {*well.headers, *refused.headers}
    assert {"traceparent", "x-request-id", "x-api-version", "server-timing"} <= told & set(well.headers)
    assert "allow" in refused.headers


def test_each_part_has_its_heading() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE)[:4] == ["Messages", "Metadata", "Errors", "Versions"]
