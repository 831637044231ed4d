"""`appliance rendezvous …`: what is asked, and what is said."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from appliance.cli import rendezvous
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.errors import ExitCode

REGISTERED = {
    "tag": "printers",
    "ttl": 7200,
    "expires": "2027-01-15T10:00:00.000Z",
    "places": [{"place": "server", "state": "registered"}, {"place": "hub", "state": "no answer"}],
}
MEMBER = {"name": "laptop", "identity": "llp1:x", "own": False, "endpoints": ["udp://192.0.2.2:8443"], "relays": ["hub"]}
FOUND = {
    "tag": "printers",
    "members": [MEMBER | {"expires": "2027-01-15T10:00:00.000Z"}],
    "answered": ["server"],
    "silent": ["hub"],
}

Run = Callable[[argparse.Namespace, Terminal], int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command with that answer: its exit code, what was asked, and what it said."""

    def ran(command: Run, answer: Mapping[str, Any], **words: str) -> tuple[int, list[Any], str]:
        asked: list[Any] = []

        def call(op: str, args: Mapping[str, Any] | None = None, **_words: Any) -> Any:
            asked.append((op, args))
            return answer

        monkeypatch.setattr(rendezvous.client, "call", call)
        code = command(argparse.Namespace(**words), Terminal(json=False))
        return code, asked, capsys.readouterr().out

    return ran


def test_register_says_where_and_ends_with_5_where_nobody_took_it(run: Any) -> None:
    code, asked, said = run(rendezvous.register, REGISTERED, tag="printers", ttl="2h")
    assert (code, asked) == (ExitCode.OK, [("rendezvous.register", {"tag": "printers", "ttl": 7200})])
    assert said == "printers: registered at server, until 2027-01-15T10:00:00.000Z\n  hub: no answer\n"
    none = REGISTERED | {"places": [{"place": "hub", "state": "refused: full"}]}
    code, _, said = run(rendezvous.register, none, tag="printers", ttl="2h")
    assert (code, said.splitlines()) == (
        ExitCode.DEGRADED,
        ["printers: registered at no meeting place yet, until 2027-01-15T10:00:00.000Z", "  hub: refused: full"],
    )
    with pytest.raises(UsageError):
        run(rendezvous.register, REGISTERED, tag="printers", ttl="soon")


def test_find_is_a_line_for_each_member(run: Any) -> None:
    code, asked, said = run(rendezvous.find, FOUND, tag="printers", limit="10")
    assert (code, asked) == (ExitCode.OK, [("rendezvous.find", {"tag": "printers", "limit": 10})])
    head, laptop, silent = said.splitlines()
    assert head.split("  ")[0] == "MEMBER"
    assert "udp://192.0.2.2:8443, over hub" in laptop
    assert silent == "did not answer: hub"
    _, _, said = run(rendezvous.find, FOUND | {"members": [], "silent": []}, tag="printers", limit="10")
    assert said == "nobody is registered under printers\n"
    for limit in ("many", "-1", "99999"):
        with pytest.raises(UsageError):
            run(rendezvous.find, FOUND, tag="printers", limit=limit)


def test_unregister_and_list(run: Any) -> None:
    _, asked, said = run(rendezvous.unregister, {"tag": "t", "was_registered": True}, tag="t")
    assert (asked, said) == ([("rendezvous.unregister", {"tag": "t"})], "t: this node is not registered any more\n")
    assert run(rendezvous.unregister, {"tag": "t", "was_registered": False}, tag="t")[2] == "t: this node was not registered\n"
    there = {"serves": False, "places": [{"name": "server", "identity": "llp1:x"}], "registered": [REGISTERED]}
    assert run(rendezvous.show, there)[2].startswith("meeting places: server\nprinters: registered at server, until ")
    nothing = {"serves": False, "places": [], "registered": []}
    assert run(rendezvous.show, nothing)[2] == "meeting places: none; docs/rendezvous.md says how to make one\n"
