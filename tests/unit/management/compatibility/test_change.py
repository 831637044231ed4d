from __future__ import annotations

from appliance.management.compatibility.change import Kind, addition, breaking


def test_a_change_says_where_and_what() -> None:
    assert breaking("GET /a", "is not there any more") == (Kind.BREAKING, "GET /a", "is not there any more")
    assert addition("GET /a", "is new").kind is Kind.ADDITION
