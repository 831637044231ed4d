"""Streams, colours, tables and figures for people."""

from __future__ import annotations

import io
import json

import pytest

from appliance.cli.terminal import Terminal, bytes_text, seconds_text, table


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(*, tty: bool = False, environ: dict[str, str] | None = None) -> tuple[Terminal, io.StringIO, io.StringIO]:
    out, err = (Tty(), Tty()) if tty else (io.StringIO(), io.StringIO())
    return Terminal(out=out, err=err, environ=environ or {}), out, err


def test_results_and_everything_else_go_different_ways() -> None:
    console, out, err = terminal()
    console.say("result")
    console.document({"a": 1})
    console.note("progress")
    console.warning("careful")
    console.error("it broke", "mend it")
    assert out.getvalue() == 'result\n{\n  "a": 1\n}\n'
    assert err.getvalue() == "progress\nwarning: careful\nerror: it broke\nhint: mend it\n"


def test_colour_is_for_terminals_that_want_it() -> None:
    assert terminal(tty=True)[0].styled("x", "red") == "\x1b[31mx\x1b[0m"
    assert terminal()[0].styled("x", "red") == "x"
    assert terminal(tty=True, environ={"NO_COLOR": "1"})[0].styled("x", "red") == "x"
    assert terminal(tty=True, environ={"TERM": "dumb"})[0].styled("x", "red") == "x"


def test_the_screen_is_cleared_on_terminals_only() -> None:
    for tty in (True, False):
        console, out, _ = terminal(tty=tty)
        console.clear()
        assert bool(out.getvalue()) is tty


def test_a_result_is_text_or_one_document() -> None:
    out = io.StringIO()
    Terminal(json=True, out=out, err=io.StringIO()).result([1], "one")
    assert json.loads(out.getvalue()) == [1]


def test_a_stream_that_cannot_show_a_character_shows_another() -> None:
    raw = io.BytesIO()
    console = Terminal(out=io.TextIOWrapper(raw, encoding="ascii"), err=io.StringIO())
    console.say("✓ done")
    console.flush()
    assert raw.getvalue() == b"? done\n"


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    assert table(("peer", "state"), [("laptop", "active"), ("b", "x")]) == "PEER    STATE\nlaptop  active\nb       x"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (17_300, "17.3 kB"), (1.2e9, "1.2 GB"), (5e15, "5000.0 TB")]
)
def test_bytes(count: float, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4s"), (12.7, "12s"), (200, "3min 20s"), (7_500, "2h 5min"), (273_600, "3d 4h"), (3_600, "1h")]
)
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
