from __future__ import annotations

from typing import Any

import pytest

from appliance.lab.path_probe import PACKETS, PathSeen


def seen(one: str, other: str, *carried_by: str, answered: int = PACKETS, **more: Any) -> PathSeen:
    return PathSeen(answered, (one, other), carried_by, **{"counted": True, **more})


@pytest.mark.parametrize(
    ("path", "via"),
    [
        (seen("direct", "direct"), None),
        (seen("direct", "direct"), "direct"),
        (seen("hub", "hub", "hub"), "relay"),
        (seen("hub", "hub", "hub"), "hub"),
        (seen("", "", "hub"), "hub"),
        (seen("r1", "r1", "r1", "r2"), "r2"),
    ],
)
def test_a_path_is_what_it_is_said_to_be(path: PathSeen, via: str | None) -> None:
    assert path.trouble(via) == ""


def test_the_transport_must_be_the_one_that_was_asked_for() -> None:
    path = seen("direct", "direct", over=("quic", "quic"))
    assert path.trouble(None, over="quic") == ""
    assert path.trouble(None, over="udp") == "over quic and quic, not over udp"


@pytest.mark.parametrize(
    ("path", "via", "trouble"),
    [
        (seen("direct", "direct", answered=3), None, "3 of 20 echoes came back"),
        (seen("direct", "hub", "hub"), None, "one end says direct, the other hub"),
        (seen("direct", ""), None, "one end says direct, the other no session"),
        (seen("direct", "direct", "hub"), None, "both ends say direct, but the bytes went through hub"),
        (seen("hub", "hub"), None, "both ends say by hub, but the bytes went past it"),
        (seen("hub", "hub", "spare"), None, "both ends say by hub, but the bytes went through spare"),
        (seen("", ""), None, "there is no session, and the bytes went through nobody's"),
        (seen("direct", "direct", counted=False), None, "the sessions did not count the bytes"),
        (seen("direct", "direct", found_after=61.0), None, "direct, but only 61 s after the session began"),
        (seen("hub", "hub", "hub"), "direct", "by hub, not direct"),
        (seen("direct", "direct"), "relay", "direct, not relayed"),
        (seen("direct", "direct"), "hub", "direct, not by hub"),
        (seen("hub", "hub", "hub"), "spare", "by hub, not by spare"),
    ],
)
def test_a_path_that_is_not_as_it_is_said_to_be_is_told(path: PathSeen, via: str | None, trouble: str) -> None:
    assert path.trouble(via) == trouble


def test_people_read_who_carries() -> None:
    assert seen("direct", "direct").text == "direct"
    assert seen("direct", "direct", found_after=4.0).text == "direct ≤ 5 s"
    assert seen("direct", "direct", found_after=9.0).text == "direct ≤ 60 s"
    assert seen("hub", "hub", "hub").text == "relayed by hub"
    assert seen("hub", "hub", "hub", met_after=0.3).text == "relayed by hub ≤ 5 s"
    assert seen("hub", "hub", "hub", met_after=5.3).text == "relayed by hub ≤ 60 s"
    assert seen("direct", "direct", found_after=9.0, met_after=0.3).text == "direct ≤ 60 s", "how it was met says nothing of that"
    assert seen("", "", "hub").text == "passed on by hub"


def test_a_session_that_was_to_be_kept_is() -> None:
    assert seen("direct", "direct").trouble(None, kept=True) == ""
    assert seen("direct", "direct", kept=False).trouble(None) == ""
    assert seen("direct", "direct", kept=False).trouble(None, kept=True) == "another session than at first"
