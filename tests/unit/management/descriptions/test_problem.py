from __future__ import annotations

from appliance.management.descriptions.problem import name_of, response, statuses_of
from tests.unit.management.descriptions.rows import ROWS

BY_NAME = {row.name: row for row in ROWS}


def test_an_operation_says_how_it_may_go_wrong() -> None:
    assert statuses_of(BY_NAME["hello"]) == [400, 413, 415, 422, 429, 500, 503, 504]
    assert statuses_of(BY_NAME["things"]) == [400, 401, 403, 422, 429, 500, 503, 504]
    assert {404, 409, 412, 413} <= set(statuses_of(BY_NAME["things.change"]))


def test_codes_that_are_known_stand_there() -> None:
    told = response(429, {429: ["TooManyRequests", "Busy"]}, {})
    assert told["x-codes"] == ["Busy", "TooManyRequests"]
    assert told["description"].endswith("Codes: Busy, TooManyRequests.")
    assert "Retry-After" in told["headers"]
    assert "x-codes" not in response(400, {}, {})


def test_a_status_that_nobody_has_named_has_a_name() -> None:
    assert name_of(418) == "Status418"
    assert name_of(422) == "UnprocessableContent"
