"""The command as it is typed: one snapshot for scripts, and a screen in a terminal of 80x24."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from typing import Any

import pytest

from appliance.cli import entry
from appliance.errors import ExitCode
from tests.unit.cli.top.node import Node

COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:[34][0-8]|9[0-7]|10[0-7])(?:;[0-9]+)*m")
ONCE = ["top", "--once", "--every", "0.2s"]


@pytest.fixture(autouse=True)
def environment(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_one_snapshot_for_people(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(ONCE) == ExitCode.OK
    shown = capsys.readouterr().out
    assert shown.startswith("gateway  running")
    assert re.search(r"^office +connected +direct +12\.5 ms +\S+ kB/s", shown, re.MULTILINE)
    assert re.search(r"^no_session +0\.0/s +3$", shown, re.MULTILINE)
    assert re.search(r"^control +7 ", shown, re.MULTILINE)
    assert node.looks == 2


def test_the_same_for_programs(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.problems = {"worker": "it died"}
    assert entry.main(["top", "--json", "--every", "0.2s"]) == ExitCode.DEGRADED
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "degraded"
    assert found["peers"][0]["received"] == pytest.approx(node.rx_step / found["seconds"], rel=0.1)


def test_nobody_to_watch(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(ONCE) == ExitCode.NO_DAEMON
    assert "appliance" in capsys.readouterr().err


@pytest.mark.parametrize("every", ["0.1s", "2h", "often"])
def test_how_often_is_bounded(every: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["top", "--every", every]) == ExitCode.INVALID
    assert "--every" in capsys.readouterr().err


def test_without_a_terminal_it_says_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["top"]) == ExitCode.INVALID
    assert "--once" in capsys.readouterr().err


def test_a_snapshot_needs_no_library(node: Node) -> None:
    code = (
        "import sys; sys.modules['textual'] = sys.modules['rich'] = None\n"
        f"from appliance.cli import entry; sys.exit(entry.main({ONCE!r}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("gateway")


# ---- on a screen ----


class Screen:
    """A program in a terminal of 80x24. `seen`: all that it wrote."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self._master = master
        self.process = process
        self.seen = ""

    def shows(self, text: str) -> None:
        while text not in self.seen:
            try:
                self.seen += os.read(self._master, 1 << 16).decode(errors="replace")
            except OSError:
                raise AssertionError(f"it ended without {text!r}: {self.seen[-2000:]!r}") from None

    def presses(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def ended(self) -> int:
        try:
            while piece := os.read(self._master, 1 << 16):
                self.seen += piece.decode(errors="replace")
        except OSError:  # the other end is closed
            pass
        return self.process.wait(60)


@contextmanager
def screen(code: str = "", **variables: str) -> Iterator[Screen]:
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    code = f"{code}\nimport sys; from appliance.cli import entry; sys.exit(entry.main(['top', '--every', '0.2s']))"
    environ = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | variables
    process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave, env=environ)
    os.close(slave)
    try:
        yield Screen(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_a_key_ends_it_and_the_terminal_is_as_before(key: bytes) -> None:
    pytest.importorskip("textual")
    with screen() as shown:
        shown.shows("office")
        shown.presses(key)
        assert shown.ended() == 0
    assert "\x1b[?1049l" in shown.seen, "the screen from before is back (xterm, alternate screen buffer)"
    assert "Traceback" not in shown.seen
    assert COLOUR.search(shown.seen)


@pytest.mark.usefixtures("node")
def test_a_signal_ends_it_as_a_key_does() -> None:
    pytest.importorskip("textual")
    with screen() as shown:
        shown.shows("office")
        shown.process.terminate()
        assert shown.ended() == 0
    assert "\x1b[?1049l" in shown.seen


@pytest.mark.usefixtures("node")
def test_no_colours_where_none_are_wanted() -> None:
    pytest.importorskip("textual")
    with screen(NO_COLOR="1") as shown:
        shown.shows("office")
        shown.presses(b"q")
        assert shown.ended() == 0
    assert not COLOUR.search(shown.seen)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {}])
def test_what_cannot_draw_says_what_to_do(variables: dict[str, str]) -> None:
    with screen("import sys; sys.modules['textual'] = sys.modules['textual.app'] = None", **variables) as shown:
        assert shown.ended() == ExitCode.INVALID
    assert "--once" in shown.seen
    assert ("appliance-core[top]" in shown.seen) == (not variables)


@pytest.mark.usefixtures("control")
def test_a_screen_is_not_opened_where_there_is_no_node() -> None:
    pytest.importorskip("textual")
    with screen() as shown:
        assert shown.ended() == ExitCode.NO_DAEMON
    assert "\x1b[?1049h" not in shown.seen
