from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from appliance.cli import transfer_display
from appliance.cli.terminal import Terminal
from appliance.cli.transfer_display import Display, Screen
from appliance.files.errors import TransferLost
from appliance.files.progress import Progress


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_display, "DRAW_SECONDS", 0.0)
    monkeypatch.setattr(transfer_display, "SAY_SECONDS", 0.0)


async def pass_by(display: Display, name: str = "file") -> str:
    """A transfer that lasts until it was shown twice."""
    for done in (300, 700, 1000):
        display.moved(Progress(1000, done=done, there=100, on_disk=done // 2, name=name))
        while display._looked is None or display._looked.done < done:  # noqa: ASYNC110 - it draws when it is due
            await asyncio.sleep(0)
    return "done"


async def test_a_program_gets_lines_with_rate_and_time_left() -> None:
    out = io.StringIO()
    with Display(Screen(Terminal(json=True, out=out, err=io.StringIO())), {"to": "right"}) as display:
        assert await display.while_shown(pass_by(display)) == "done"
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [each["done"] for each in said[:3]] == [300, 700, 1000]
    assert {(each["event"], each["to"], each["total"], each["name"]) for each in said} == {("progress", "right", 1000, "file")}
    assert said[0]["seconds_left"] is None
    assert said[1]["rate"] > 0
    assert said[2]["seconds_left"] == 0.0
    assert said[2]["on_disk"] == 500


async def test_a_person_at_a_terminal_sees_a_bar_and_no_trick_of_a_name() -> None:
    drawn = Tty()
    terminal = Terminal(out=io.StringIO(), err=drawn, environ={"TERM": "xterm"})
    with Display(Screen(terminal), {"from": "left"}) as display:
        await display.while_shown(pass_by(display, "tree/nice\x1b[2J[red]"))
        display.interrupted(TransferLost("it is gone"), 0.5)
    assert "nice\\x1b[2J[red]" in drawn.getvalue()
    assert "\x1b[2J" not in drawn.getvalue()
    assert "1.0/1.0 kB" in drawn.getvalue()
    assert "left: it is gone; trying again" in drawn.getvalue()


async def test_two_transfers_have_two_bars_and_a_result_stands_above() -> None:
    drawn, out = Tty(), Tty()
    screen = Screen(Terminal(out=out, err=drawn, environ={"TERM": "xterm"}))
    with Display(screen, {"from": "left"}) as first:
        with Display(screen, {"from": "right"}) as second:
            await asyncio.gather(first.while_shown(pass_by(first, "one")), second.while_shown(pass_by(second, "two")))
        screen.line({}, "second is complete")
        assert screen.bars is not None
        assert [task.description for task in screen.bars.tasks] == ["one"]
    assert "second is complete" in drawn.getvalue()
    screen.line({}, "first is complete")
    assert out.getvalue() == "first is complete\n"


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {}])
async def test_a_log_gets_nothing_but_what_went_wrong(environ: dict[str, str]) -> None:
    err = Tty() if environ else io.StringIO()
    with Display(Screen(Terminal(out=io.StringIO(), err=err, environ=environ)), {"to": "right"}) as display:
        await display.while_shown(pass_by(display))
        display.interrupted(TransferLost("it is gone"), 0.5)
        display.interrupted(TransferLost("it is gone"), 0.5)
        display.interrupted(TransferLost("it is away"))
    assert err.getvalue() == "right: it is gone; trying again\nright: it is away\n"


async def test_an_error_of_the_work_comes_out_as_it_is() -> None:
    async def fails() -> None:
        raise TransferLost("it is gone")

    out = io.StringIO()
    with Display(Screen(Terminal(json=True, out=out, err=io.StringIO())), {"to": "right"}) as display:
        with pytest.raises(TransferLost):
            await display.while_shown(fails())
        display.interrupted(TransferLost("it is gone"), 1.5)
    said = json.loads(out.getvalue())
    assert (said["event"], said["error"]["code"], said["again_in_seconds"]) == ("interrupted", "TransferLost", 1.5)


async def test_a_reader_that_is_gone_ends_it() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    with (
        pytest.raises(BrokenPipeError),
        Display(Screen(Terminal(json=True, out=Gone(), err=io.StringIO())), {"to": "x"}) as display,
    ):
        await display.while_shown(pass_by(display))


def test_without_rich_there_is_no_bar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    assert transfer_display._bars(Terminal(out=io.StringIO(), err=Tty(), environ={"TERM": "xterm"})) is None
