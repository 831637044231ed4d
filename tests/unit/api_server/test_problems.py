from __future__ import annotations

from appliance.api_server.caller import Forbidden, Unauthenticated
from appliance.api_server.problems import BodyTooLarge, Invalid, NotFound, known_codes, status_of


def test_codes_that_are_described_come_with_that_status() -> None:
    known = known_codes()
    for error in (Unauthenticated("a"), Forbidden("a"), Invalid("a", []), NotFound("a"), BodyTooLarge("a")):
        assert error.code in known[status_of(error)]
