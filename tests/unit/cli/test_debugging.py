from __future__ import annotations

import io
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import debugging
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ExitCode

PROFILE = {
    "process": "control",
    "samples": 4,
    "seconds": 2.0,
    "cpu_s": 0.5,
    "functions": [{"function": "read (appliance/x.py:1)", "self": 3, "total": 4}, {"function": "main", "self": 0, "total": 4}],
    "stacks": ["main;read (appliance/x.py:1) 3", "main 1"],
}
MEMORY = {
    "process": "control",
    "memory": 60 << 20,
    "objects": 1000,
    "frozen": 500,
    "types": [{"type": "builtins.dict", "count": 400}],
    "descriptors": {"socket": 9, "pipe": 2},
    "threads": {"MainThread": 1},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the daemon was asked; it answers with the documents above."""
    asked: list[tuple[str, Any]] = []

    def call(op: str, args: Any = None, *, timeout: float) -> Any:
        assert timeout > 10
        asked.append((op, args))
        return PROFILE if op == "debug_profile" else MEMORY

    monkeypatch.setattr(client, "call", call)
    return asked


def said(command: Any, **arguments: Any) -> str:
    out = io.StringIO()
    given = {"during": "10s", "worker": None, "output": None} | arguments
    assert command(Namespace(**given), Terminal(out=out, err=io.StringIO())) == ExitCode.OK
    return out.getvalue()


def test_a_profile_for_people_and_for_flame_graphs(asked: list[tuple[str, Any]], tmp_path: Path) -> None:
    text = said(debugging.profile, during="2s", worker="1", output=str(tmp_path / "stacks"))
    assert asked == [("debug_profile", {"seconds": 2.0, "worker": 1})]
    assert "4 samples in 2 s, 0.5 s of CPU used" in text
    assert "75.0%" in text
    assert "100.0%" in text
    assert "main\n" not in text, "never innermost"
    assert (tmp_path / "stacks").read_text() == "main;read (appliance/x.py:1) 3\nmain 1\n"


def test_what_it_holds(asked: list[tuple[str, Any]]) -> None:
    text = said(debugging.memory)
    assert asked == [("debug_memory", None)]
    assert "60.0 MiB resident, 1000 objects, and 500 from its start" in text
    assert "descriptors: 9 socket, 2 pipe" in text
    assert "400" in text


@pytest.mark.parametrize("option", ["during", "worker"])
def test_what_is_not_a_number(option: str) -> None:
    with pytest.raises(UsageError, match=f"--{option}"):
        said(debugging.profile, **{option: "many"})
