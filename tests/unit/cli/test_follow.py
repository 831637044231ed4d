"""What happens to a node, for people."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from appliance.cli import entry
from appliance.cli.follow import event_text
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.control.client import ControlError
from appliance.control.messages import Item, Lost
from appliance.errors import ExitCode


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (
            {"event": "session-opened", "peer": "office", "suite": "aes-256-gcm", "pq": True, "endpoint": "udp://192.0.2.1:1"},
            "office: session by udp://192.0.2.1:1 (aes-256-gcm, post-quantum)",
        ),
        (
            {"event": "session-opened", "peer": "office", "suite": "null", "pq": False, "endpoint": "tcp://192.0.2.1:1"},
            "office: session by tcp://192.0.2.1:1 (null, NOT post-quantum)",
        ),
        ({"event": "session-moved", "peer": "a", "endpoint": "udp://192.0.2.2:1"}, "a: the session moved to udp://192.0.2.2:1"),
        ({"event": "session-closed", "peer": "office", "reason": "idle"}, "office: the session ended (idle)"),
        ({"event": "health", "state": "running", "problems": {}}, "running"),
        ({"event": "health", "state": "degraded", "problems": {"worker": "it died"}}, "degraded; worker: it died"),
        ({"event": "profile", "in_force": ["/etc/a", "/etc/b"]}, "the profile was read anew: /etc/a, /etc/b"),
        ({"event": "audit", "entries": 7}, "the audit log took 7 entries since the start"),
        ({"event": "of-a-later-version", "number": 3}, "event=of-a-later-version number=3"),
    ],
)
def test_each_event_is_a_line(item: Mapping[str, Any], text: str) -> None:
    console = Terminal(out=io.StringIO(), err=io.StringIO())
    assert event_text({"time": "09:00", **item}, console) == f"09:00  {text}"


def test_for_programs_each_line_is_an_object_the_end_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stream(_op: str) -> Iterator[Item | Lost]:
        yield Item(None, {"event": "profile"})
        yield Lost(None, 3)
        raise ControlError("stopping", "the daemon ends", exit_code=ExitCode.NO_DAEMON)

    monkeypatch.setattr(client, "stream", stream)
    assert entry.main(["events", "--json"]) == ExitCode.NO_DAEMON
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        '{"event": "profile"}',
        '{"lost": 3}',
        '{"ok": false, "error": {"code": "stopping", "message": "the daemon ends", "hint": "", "exit": 7}}',
    ]
    assert entry.main(["events"]) == ExitCode.NO_DAEMON
    assert "3 events were lost" in capsys.readouterr().out
