"""The description, judged by a foreign validator too."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from appliance.management.descriptions.openapi import document
from tests.unit.management.descriptions.rows import ROWS

CODES = {404: ["NotFound"]}
WHOLE = document(ROWS, "1.2", CODES)


def operation(path: str, verb: str) -> dict[str, Any]:
    found: dict[str, Any] = WHOLE["paths"][f"/api/v1{path}"][verb]
    return found


def test_it_is_openapi_3_1() -> None:
    assert not list(OpenAPIV31SpecValidator(WHOLE).iter_errors())


def test_who_may_ask_is_said() -> None:
    assert operation("/hello", "post")["security"] == []
    assert operation("/things", "get")["x-permission"] == "things.read"
    assert WHOLE["security"] == [{"bearer": []}]


def test_arguments_stand_in_the_path_the_query_or_the_body() -> None:
    page = {each["name"]: each["in"] for each in operation("/things", "get")["parameters"] if "name" in each}
    assert page == {"after": "query", "limit": "query"}
    change = operation("/things/{name}", "put")
    assert [each["name"] for each in change["parameters"] if "name" in each] == ["name"]
    assert change["parameters"][0]["schema"]["minLength"] == 1
    body = change["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ChangeBody"}
    assert set(WHOLE["components"]["schemas"]["ChangeBody"]["properties"]) == {"weight", "kind", "labels"}
    assert "requestBody" not in operation("/hello", "post")


def test_an_example_is_cut_as_the_arguments_are() -> None:
    change = operation("/things/{name}", "put")
    assert change["parameters"][0]["example"] == "ball"
    assert change["requestBody"]["content"]["application/json"]["example"] == {"weight": 1.5}


@pytest.mark.parametrize(
    ("path", "verb", "status", "kind"),
    [
        ("/things", "get", "200", "application/json"),
        ("/hello", "post", "201", "application/json"),
        ("/follow", "get", "200", "text/event-stream"),
        ("/things/{name}", "delete", "204", None),
    ],
)
def test_answers_have_their_status_and_kind(path: str, verb: str, status: str, kind: str | None) -> None:
    answer = operation(path, verb)["responses"][status]
    assert list(answer.get("content", {})) == ([kind] if kind else [])
    assert set(answer["headers"]) == {"X-Request-Id", "Server-Timing"}


def test_a_stream_says_what_its_items_are() -> None:
    content = operation("/follow", "get")["responses"]["200"]["content"]
    assert content["text/event-stream"]["x-item"] == {"$ref": "#/components/schemas/Thing"}


def test_a_stream_goes_on_where_it_was_cut_off_until_nothing_follows() -> None:
    assert {"$ref": "#/components/parameters/LastEventId"} in operation("/follow", "get")["parameters"]
    assert "204" in operation("/follow", "get")["responses"]
    assert "204" not in operation("/things", "get")["responses"]


def test_headers_of_requests_are_told_where_they_are_heeded() -> None:
    def headers(told: dict[str, Any]) -> set[str]:
        known = WHOLE["components"]["parameters"]
        return {known[each["$ref"].rpartition("/")[2]]["name"] for each in told["parameters"] if "$ref" in each}

    assert headers(operation("/things", "get")) == {"X-Request-Id", "traceparent"}
    assert headers(operation("/follow", "get")) == {"X-Request-Id", "traceparent", "Last-Event-ID"}
    once = next(row for row in ROWS if row.name == "hello")._replace(once=True)
    told = document([once], "1.2", {})["paths"][once.full_path]["post"]
    assert headers(told) == {"X-Request-Id", "traceparent", "Idempotency-Key"}


def test_an_answer_may_come_with_another_status_while_something_is_wrong() -> None:
    row = next(row for row in ROWS if row.name == "things")._replace(unwell=503)
    answer = document([row], "1.2", {})["paths"]["/api/v1/things"]["get"]["responses"]["503"]
    assert list(answer["content"]) == ["application/json", "application/problem+json"]


def test_problems_are_told_once_each() -> None:
    missing = operation("/things/{name}", "put")["responses"]["404"]
    assert missing == {"$ref": "#/components/responses/NotFound"}
    assert WHOLE["components"]["responses"]["NotFound"]["x-codes"] == ["NotFound"]


def test_probes_are_public_and_outside_of_the_versions() -> None:
    assert WHOLE["paths"]["/health"]["get"]["security"] == []
    assert set(WHOLE["paths"]["/ready"]["get"]["responses"]) == {"200", "503"}
