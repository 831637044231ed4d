"""`ping` and `discover` for people and programs."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from appliance.cli import entry, finding
from appliance.cli.finding import discovered_text
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ExitCode

PLACES: list[dict[str, Any]] = [
    {"kind": "mdns", "peer": "laptop", "endpoint": "udp://192.168.1.7:8443", "age_s": 75.0, "tried": None, "works": True},
    {"kind": "profile", "peer": "laptop", "endpoint": "udp://laptop:1", "age_s": None, "tried": "timeout", "works": False},
    {"kind": "profile", "peer": "cellar", "endpoint": "udp://h:1", "age_s": None, "tried": None, "works": False},
]
ANSWERS: dict[str, Any] = {
    "lookup": {"name": "laptop", "addresses": ["10.8.0.2", "fd00::2"]},
    "status": {
        "sessions": [{"peer": "laptop", "endpoint": "udp://192.0.2.9:7", "transport": "udp"}],
        "peers": [{"name": "laptop", "last_error": None}, {"name": "cellar", "last_error": "timeout"}],
    },
    "discovered": PLACES,
}


@pytest.fixture
def echoes(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """What comes back, one after the other; the node answers as in ANSWERS."""
    coming: list[float | None] = []
    monkeypatch.setattr(client, "call", lambda op, _args=None: ANSWERS[op])
    monkeypatch.setattr(finding, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(finding, "_echo", lambda _program, _address: coming.pop(0))
    monkeypatch.setattr(finding.shutil, "which", lambda name: f"/bin/{name}")
    return coming


def test_where_peers_may_be() -> None:
    terminal = Terminal(out=io.StringIO(), err=io.StringIO())
    assert discovered_text(PLACES, terminal).splitlines() == [
        "PEER    FOUND BY  ENDPOINT                AGE       LAST TRY",
        "laptop  mdns      udp://192.168.1.7:8443  1min 15s  works",
        "laptop  profile   udp://laptop:1                    timeout",
        "cellar  profile   udp://h:1",
    ]
    assert discovered_text([], terminal) == "no place of any peer is known"


def test_each_echo_is_told_with_its_path(echoes: list[float | None], capsys: pytest.CaptureFixture[str]) -> None:
    echoes += [None, 3.25]
    assert entry.main(["ping", "laptop", "--count", "2"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "laptop (10.8.0.2) does not answer",
        "laptop (10.8.0.2) answers by udp://192.0.2.9:7 in 3.25 ms",
    ]


def test_after_the_last_echo_it_says_why_no_better_endpoint_carries_them(
    echoes: list[float | None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    echoes += [3.25, 3.5]
    peer = {"name": "laptop", "last_error": None, "passed_over": [{"endpoint": "quic://192.0.2.9:443", "reason": "timeout"}]}
    monkeypatch.setitem(ANSWERS, "status", ANSWERS["status"] | {"peers": [peer]})
    assert entry.main(["ping", "laptop", "--count", "2"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines()[1:] == [
        "laptop (10.8.0.2) answers by udp://192.0.2.9:7 in 3.5 ms",
        "not by quic://192.0.2.9:443: timeout",
    ]


def test_for_programs_it_is_one_document(echoes: list[float | None], capsys: pytest.CaptureFixture[str]) -> None:
    echoes.append(None)
    assert entry.main(["ping", "laptop", "--count", "1", "--json"]) == ExitCode.FAILURE
    document = json.loads(capsys.readouterr().out)
    assert (document["sent"], document["received"], document["echoes"][0]["endpoint"]) == (1, 0, "udp://192.0.2.9:7")


@pytest.mark.parametrize("count", ["0", "x", "-1", "10001"])
def test_a_count_is_a_number(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["ping", "laptop", f"--count={count}"]) == ExitCode.INVALID
    assert "no number from 1 to 10000" in capsys.readouterr().err
