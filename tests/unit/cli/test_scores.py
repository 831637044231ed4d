"""`appliance peers block`, `unblock` and `scores`: what is asked of the node, and how its answer is shown."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest

from appliance.cli import parser, scores, table
from appliance.cli.peers import peers_text
from appliance.cli.scores import scores_text
from appliance.cli.terminal import Terminal

BLOCK = {"reason": "it floods", "by": "root", "since_s": 60, "since": "2027-01-01T00:00:00.000Z", "left_s": 3600, "until": "then"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, Any]]]:
    """What the node is asked; it answers."""
    found: list[tuple[str, Mapping[str, Any]]] = []

    def call(op: str, args: Mapping[str, Any]) -> Any:
        found.append((op, args))
        return {"name": args["name"], "identity": "llp1:x", "until": "then" if "seconds" in args else None, "alone": False}

    monkeypatch.setattr("appliance.control.client.call", call)
    return found


def type_in(words: str) -> str:
    found = table.find(words.split())
    assert found is not None
    command, rest = found
    run = {"peers block": scores.block, "peers unblock": scores.unblock}[command.words]
    out = io.StringIO()
    assert run(parser.parse(command, rest), Terminal(out=out)) == 0
    return out.getvalue()


def test_what_an_admin_types_is_what_the_node_is_asked(asked: list[tuple[str, Mapping[str, Any]]]) -> None:
    assert type_in("peers block laptop --for 2h --reason floods") == "laptop is blocked until then\n"
    assert type_in("peers block laptop") == "laptop is blocked until `appliance peers unblock laptop`\n"
    assert type_in("peers unblock laptop") == "laptop is blocked no more\n"
    assert asked == [
        ("block_peer", {"name": "laptop", "reason": "floods", "seconds": 7200.0}),
        ("block_peer", {"name": "laptop", "reason": ""}),
        ("unblock_peer", {"name": "laptop"}),
    ]
    with pytest.raises(parser.UsageError, match="--for"):
        type_in("peers block laptop --for soon")


def test_scores_tell_why_and_until_when() -> None:
    reasons = [
        {"what": f"fault-{number}", "count": number, "points": -1.5, "first_s": 90, "last_s": 30} for number in range(2, 7)
    ]
    text = scores_text(
        [
            {"name": "phone", "value": -80.0, "standing": "blocked", "block": BLOCK, "held_off": None, "reasons": reasons},
            {"name": "desk", "value": -70.5, "standing": "doubtful", "block": None, "held_off": "last-way-in", "reasons": []},
        ]
    )
    phone, desk = text.splitlines()[-2:]
    assert "blocked by root for 1min, 1h left (it floods)" in phone
    assert "fault-2 2× (-1.5, 30s ago)" in phone
    assert phone.endswith("; 2 more")
    assert "doubtful, not blocked: last-way-in" in desk
    assert scores_text([]) == "nothing is known of any peer yet"


def test_a_blocked_peer_is_shown_as_that() -> None:
    peer = {"name": "phone", "origin": "member", "connected": False, "last_error": "timeout", "endpoint": "", "rtt_ms": None}
    by_itself = BLOCK | {"by": None, "left_s": None, "reason": "forged-statement"}
    text = peers_text([peer | {"blocked": by_itself}])
    assert "blocked for 1min (forged-statement)" in text
    assert "timeout" not in text
