"""The real application, by textual's pilot, on a node that answers at a real control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("textual", reason="the extra `top` is not installed")

from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from appliance.cli.top import app as module
from appliance.cli.top.app import MOST_ROWS, Top, Words
from appliance.cli.top.looking import Looking
from tests.unit.cli.top.node import Node, answering, peer

EVERY = 0.05


async def until(pilot: Pilot[int], what: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await pilot.pause(0.01)


def head(app: Top) -> str:
    return str(app.query_one("#head", Static).render())


def note(app: Top) -> str:
    return str(app.query_one("#note", Static).render())


def table(app: Top) -> list[list[str]]:
    shown = app.query_one(DataTable)
    return [[str(cell) for cell in shown.get_row_at(row)] for row in range(shown.row_count)]


def names(app: Top) -> list[str]:
    return [row[0] for row in table(app)]


def screen(app: Top) -> str:
    """What is drawn, which comes after what is to be drawn."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())


async def test_peers_with_their_rates_in_a_small_terminal(node: Node) -> None:
    app = Top(EVERY)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: node.looks >= 2 and "B/s" in head(app))
        assert head(app).startswith("gateway  running  up 1min")
        assert "peers 1/2" in head(app)
        (office, phone) = table(app)
        assert office[:4] == ["office", "connected", "direct", "12.5 ms"]
        assert office[4].endswith("/s")
        assert phone[1] == "away"
        assert phone[-1] == "timed out"
        await until(pilot, lambda: "quit" in screen(app))
        await until(pilot, lambda: "endpoint" in screen(app))  # all columns have their place
        await pilot.press("q")
    assert app.return_value == 0


async def test_ctrl_c_ends_it_too(node: Node) -> None:
    app = Top(EVERY)
    async with app.run_test() as pilot:
        await until(pilot, lambda: node.looks)
        await pilot.press("ctrl+c")
    assert app.return_value == 0


async def test_order_reverse_and_filter(node: Node) -> None:
    node.peers = [peer("office"), peer("hub", rtt_ms=1.5), peer("phone", connected=False, last_error="timed out")]
    app = Top(EVERY)
    async with app.run_test() as pilot:
        await until(pilot, lambda: names(app) == ["office", "hub", "phone"])
        await pilot.press("o")
        assert names(app) == ["hub", "office", "phone"]
        await pilot.press("r")
        assert names(app) == ["phone", "office", "hub"]
        await pilot.press("slash", *"away")
        await until(pilot, lambda: names(app) == ["phone"])
        await pilot.press("enter")
        await until(pilot, lambda: "1 with 'away'" in note(app))
        app.query_one("#filter", Input).value = ""
        await until(pilot, lambda: len(names(app)) == 3)


async def test_while_it_pauses_nothing_moves_and_then_it_goes_on(node: Node) -> None:
    app = Top(EVERY)
    async with app.run_test() as pilot:
        await until(pilot, lambda: names(app) == ["office", "phone"])
        await pilot.press("space")
        node.peers = [peer("another")]
        looks = node.looks
        await until(pilot, lambda: node.looks > looks + 2)
        assert names(app) == ["office", "phone"]
        assert "paused" in note(app)
        await pilot.press("space")
        await until(pilot, lambda: names(app) == ["another"])


async def test_the_other_views(node: Node) -> None:
    app = Top(EVERY)
    async with app.run_test() as pilot:
        await until(pilot, lambda: node.looks >= 2 and table(app))
        await pilot.press("2")
        assert names(app) == ["no_session"]
        await pilot.press("3")
        assert table(app)[0][:2] == ["control", "7"]
        await pilot.press("4")
        assert not table(app)
        assert "no jobs" in note(app)
        await pilot.press("1")
        assert names(app) == ["office", "phone"]


async def test_all_about_one_peer_and_the_keys(node: Node) -> None:
    app = Top(EVERY)
    async with app.run_test() as pilot:
        await until(pilot, lambda: names(app) == ["office", "phone"])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Words))
        assert "post-quantum" in str(app.screen.query_one(Static).render())
        await pilot.press("escape")
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Words))
        assert "pause" in str(app.screen.query_one(Static).render())
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.screen, Words))
        assert app.is_running


async def test_the_cursor_stays_with_its_peer(node: Node) -> None:
    node.peers = [peer("office"), peer("phone")]
    app = Top(EVERY)
    async with app.run_test() as pilot:
        await until(pilot, lambda: names(app) == ["office", "phone"])
        await pilot.press("down")
        node.peers = [peer("another"), peer("office"), peer("phone")]
        await until(pilot, lambda: len(names(app)) == 3)
        assert app.query_one(DataTable).cursor_row == 2


async def test_of_thousands_of_peers_some_are_drawn_and_the_others_are_found(node: Node) -> None:
    node.peers = [peer(f"host-{number:04}", connected=False) for number in range(MOST_ROWS + 100)]
    app = Top(EVERY)
    async with app.run_test() as pilot:
        await until(pilot, lambda: len(names(app)) == MOST_ROWS)
        assert f"{MOST_ROWS} of {MOST_ROWS + 100} are shown" in note(app)
        await pilot.press("slash", *f"host-{MOST_ROWS + 99:04}")
        await until(pilot, lambda: names(app) == [f"host-{MOST_ROWS + 99:04}"])


async def test_what_a_peer_calls_itself_is_a_text_and_no_command(node: Node) -> None:
    node.peers = [peer("[bold red]x[/]\x1b[2J", connected=False, last_error="[@click=app.leave]here[/]")]
    node.problems = {"[link]": "[/nothing]"}
    app = Top(EVERY)
    async with app.run_test() as pilot:
        await until(pilot, lambda: table(app))
        assert names(app) == ["[bold red]x[/]\N{REPLACEMENT CHARACTER}[2J"]
        assert "[link]: [/nothing]" in head(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Words))


async def test_a_node_that_ends_is_told_and_found_again(control: Path) -> None:
    app = Top(EVERY)
    first, second = answering(control, Node()), answering(control, Node([peer("another")]))
    with ExitStack() as stack:
        stack.enter_context(first)
        async with app.run_test() as pilot:
            await until(pilot, lambda: names(app) == ["office", "phone"])
            await asyncio.to_thread(stack.close)
            await until(pilot, lambda: "asking again" in head(app))
            assert names(app) == ["office", "phone"], "the last figures stay"
            with second:
                await until(pilot, lambda: names(app) == ["another"])
                assert "asking again" not in head(app)


async def test_between_rare_looks_no_connection_is_held(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node would hang up, and that it did would be told as its end."""
    monkeypatch.setattr(module, "KEPT", EVERY / 2)
    connections = 0

    class Counted(Looking):
        def __init__(self) -> None:
            super().__init__()
            nonlocal connections
            connections += 1

    app = Top(EVERY, Counted)
    async with app.run_test() as pilot:
        await until(pilot, lambda: connections >= 3)
        assert "asking again" not in head(app)
        assert names(app) == ["office", "phone"]
    assert node.looks >= connections - 1
