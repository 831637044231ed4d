"""`appliance network invite` and `network invitations`: what is asked of the node, and how its answer is shown."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from appliance.cli import entry, invitations, parser, table
from appliance.cli.qr import qr_text
from appliance.cli.terminal import Terminal
from appliance.foundation import clock

CODE = "25WCE-YECMG-YP3BG-RTNSZ-CPERX-S9SCZ-Y86A8-XGDT9-730FN-FY9WB-0GWQX-HJFK4-C2GC0-1A0JV-FZK6V-XDF83-RRSP8-1S0ZF-1NJ0G"
ONE: dict[str, Any] = {"number": "0a" * 8, "name": "laptop", "state": "open", "uses": 2, "used_by": ["llp1:x"]}


class Node:
    """In the place of a running node."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.relays: list[Mapping[str, Any]] = []

    def __call__(self, op: str, args: Mapping[str, Any] | None = None) -> Any:
        self.asked.append((op, args or {}))
        one = {**ONE, "expires": clock.wall() + 3600.5}
        match op:
            case "invite":
                return {"code": CODE, "network": "home", "endpoints": ["udp://192.0.2.1:8443"], "relays": self.relays, **one}
            case "revoke_invitation":
                return {"revoked": [one]}
            case _:
                ended = {**one, "number": "0b" * 8, "state": "burnt", "used_by": []}
                return {"invitations": [one, ended], "refused": {"good": 4, "wrong": 1, "unknown": 7}}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    answering = Node()
    monkeypatch.setattr("appliance.control.client.call", answering)
    return answering


def test_what_an_admin_types_is_what_the_node_is_asked(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--tags",
        "staff,lab",
        "--prefix",
        "192.0.2.0/24",
        "--exit",
        "--role",
        "relay",
        "--ttl",
        "2h",
        "--uses",
        "3",
        "--at",
        "udp://vpn.example:443",
    ]
    assert entry.main(["network", "invite", "laptop", *words]) == 0
    assert node.asked == [
        (
            "invite",
            {
                "name": "laptop",
                "tags": ["staff", "lab"],
                "prefixes": ["192.0.2.0/24"],
                "exit": True,
                "roles": ["relay"],
                "ttl": 7200,
                "uses": 3,
                "at": ["udp://vpn.example:443"],
            },
        )
    ]
    said = capsys.readouterr()
    assert said.out == f"{CODE}\n", "nothing else, so that it can be piped"
    assert "invites laptop to the network home, 2 times, for 1h" in said.err
    assert "udp://192.0.2.1:8443" in said.err


def test_members_that_pass_on_are_told_too(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.relays = [{"identity": "llp1:y", "endpoints": ["udp://8.8.8.8:8443"]}]
    assert entry.main(["network", "invite", "laptop"]) == 0
    assert "or a member at udp://8.8.8.8:8443, which passes on" in capsys.readouterr().err


def test_programs_get_all_of_it(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["network", "invite", "laptop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == CODE
    assert entry.main(["network", "invitations", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["refused"]["unknown"] == 7


def test_a_person_at_a_terminal_sees_a_code_to_scan(node: Node) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    command, rest = table.find(["network", "invite", "laptop"]) or pytest.fail("no command")
    assert invitations.invite(parser.parse(command, rest), Terminal(out=screen, err=io.StringIO())) == 0
    assert len(screen.getvalue().splitlines()) > 20


def test_the_list_says_what_became_of_each(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["network", "invitations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["0a" * 8, "laptop", "open", "1", "of", "2", "1h"]
    assert lines[2].split() == ["0b" * 8, "laptop", "burnt", "0", "of", "2"]
    assert lines[3] == "refused since the node runs: unknown 7, wrong 1"


def test_one_is_taken_back(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["network", "invitations", "--revoke", "laptop"]) == 0
    assert node.asked == [("revoke_invitation", {"which": "laptop"})]
    assert f"taken back: {'0a' * 8} for laptop" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--ttl", "5"), ("--ttl", "soon"), ("--uses", "many"), ("--uses", "-1"), ("--uses", "99999")])
def test_what_is_no_number_is_said_before_anybody_is_asked(node: Node, words: tuple[str, ...]) -> None:
    assert entry.main(["network", "invite", "laptop", *words]) == 2
    assert not node.asked


def test_a_code_to_scan_is_a_square_with_its_three_eyes() -> None:
    lines = (qr_text(CODE) or "").splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) == 37
    assert len(lines) == 19, "two rows of dots a line"


def test_without_its_library_there_is_text_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    assert qr_text(CODE) is None
