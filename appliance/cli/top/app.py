"""The whole screen of `appliance top`.

A thread looks at the node and posts what it saw; everything else happens in the application's loop. Where the node ends, the last
figures stay with a line that says so, and the thread knocks until somebody answers.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final, NamedTuple, Protocol, Self

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.coordinate import Coordinate
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

from appliance.cli.top.looking import Looking
from appliance.cli.top.snapshot import Look, snapshot
from appliance.cli.top.views import PEERS, VIEWS, View, chosen, details, head, printable
from appliance.errors import ApplianceError
from appliance.foundation import clock

AGAIN: Final = 1.0
"""Seconds until a node that ended is asked again."""
KEPT: Final = 5.0
"""Seconds for which a connection is kept: the node hangs up on who is silent for ten."""
SHARE: Final = 10
"""The node is left in peace for so many times as long as an answer took: who watches takes a tenth of its time at most."""
MOST_ROWS: Final = 200
"""That are drawn; a filter finds the others."""
DOWN: Final = " \N{BLACK DOWN-POINTING SMALL TRIANGLE}"
UP: Final = " \N{BLACK UP-POINTING SMALL TRIANGLE}"
"""Behind the title of the column that rows are ordered by: the first one is at the top, or at the bottom."""
HELP: Final = """\
1 2 3 4    peers, drops, processes, jobs
o  r       order by the next column; the other way round
/          show only rows with these words; empty: all
space      pause, and go on
enter      all about the peer under the cursor
q, Ctrl-C  end

Figures are those of `appliance top --json`. in and out are inner
bytes a second of all sessions with a peer; cpu is of one core.
"""


class Looks(Protocol):
    """`Looking`: one connection to a node, as a context."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def look(self) -> Look:
        """What the node says now. Raises ApplianceError."""


class Drawn(NamedTuple):
    """What a table shows, but for the cells."""

    view: str
    order: int | None
    backwards: bool
    keys: list[str]


class Seen(Message):
    """The node said something."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look


class Gone(Message):
    """The node does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class Top(App[int]):
    """`every`: seconds between two looks."""

    TITLE = "appliance top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layers: base; }
    .plain DataTable > .datatable--cursor { text-style: reverse; }
    #head { height: auto; max-height: 8; padding: 0 1; }
    #table { height: 1fr; }
    #note { height: auto; padding: 0 1; color: $text-muted; }
    #filter { display: none; height: 3; }
    #filter.shown { display: block; }
    Words { align: center middle; }
    Words > VerticalScroll { width: 76; max-width: 100%; height: auto; max-height: 90%; padding: 1 2; border: round $primary; }
    """
    BINDINGS: ClassVar = [
        *(Binding(view.key, f"view('{view.name}')", view.name) for view in VIEWS),
        Binding("o", "order", "order"),
        Binding("r", "backwards", "reverse", show=False),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("space", "pause", "pause"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "leave", "quit"),
        Binding("ctrl+c", "leave", "quit", show=False, priority=True),
    ]

    def __init__(self, every: float = 1.0, looking: Callable[[], Looks] = Looking) -> None:
        super().__init__(ansi_color="NO_COLOR" in os.environ)  # else textual would write shades of grey
        self._every = every
        self._looking = looking
        self._ended = threading.Event()
        self._before: Look | None = None
        self._shown: Mapping[str, Any] | None = None
        self._gone = ""
        self._paused = False
        self._view: View = PEERS
        self._orders: dict[str, int | None] = {}
        self._backwards: set[str] = set()
        self._words = ""
        self._drawn: Drawn | None = None
        self._cells: list[list[str]] = []
        self._head = Static("asking the node …", id="head", markup=False)
        self._table: DataTable[Text] = DataTable(id="table", cursor_type="row", zebra_stripes=True)
        self._note = Static("", id="note", markup=False)
        self._filter = Input(placeholder="words that a row has to have", id="filter")

    def compose(self) -> ComposeResult:
        """Head, table, a line of what is chosen, keys."""
        yield from (self._head, self._table, self._note, self._filter)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin to look."""
        self.set_class(self.no_color, "plain")  # of the row under the cursor something has to be seen
        self._table.focus()
        with suppress(RuntimeError, ValueError):  # not in the main thread, where nobody sends signals
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.action_leave)
        # A thread that nobody waits for: one that is in the middle of a question does not hold up the end.
        threading.Thread(target=self._look_on, name="looking", daemon=True).start()

    def on_unmount(self) -> None:
        """Look no more."""
        self._ended.set()
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)

    # ---- what was seen ----

    def on_seen(self, message: Seen) -> None:
        """Another look."""
        before, self._before = self._before, message.look
        self._gone = ""
        if not self._paused:
            self._shown = snapshot(before, message.look)
        self._draw()

    def on_gone(self, message: Gone) -> None:
        """The last figures stay, without another look to compare with."""
        self._before, self._gone = None, message.reason
        self._draw()

    def _look_on(self) -> None:
        while not self._ended.is_set():
            try:
                with self._looking() as looking:
                    while (pause := self._look(looking)) <= KEPT and not self._ended.is_set():
                        self._ended.wait(pause)
            except ApplianceError as error:
                self.post_message(Gone(error.message))
                pause = AGAIN
            except OSError as error:
                self.post_message(Gone(error.strerror or str(error)))
                pause = AGAIN
            self._ended.wait(pause)

    def _look(self, looking: Looks) -> float:
        """Look once. Returns the seconds until the next time."""
        began = clock.monotonic()
        self.post_message(Seen(looking.look()))
        return max(self._every, SHARE * (clock.monotonic() - began))

    # ---- drawing ----

    def _draw(self) -> None:
        if not self._table.is_attached:  # it is about to end
            return
        lines = ["asking the node …"] if self._shown is None else head(self._shown)
        styles = ["bold", *[""] * 2, *["bold yellow"] * len(lines)]
        text = Text("\n").join(Text(line, style) for line, style in zip(lines, styles, strict=False))
        if self._gone:
            text.append(f"\n{printable(self._gone)}; asking again", "bold red")
        self._head.update(text)
        if self._shown is not None:
            self._draw_table(self._shown)

    def _draw_table(self, shown: Mapping[str, Any]) -> None:
        view = self._view
        order, backwards = self._orders.get(view.name), view.name in self._backwards
        rows = chosen(view, view.rows(shown), self._words, order, backwards=backwards)
        cells = [view.cells(row) for row in rows[:MOST_ROWS]]
        drawn = Drawn(view.name, order, backwards, [str(row[view.identity]) for row in rows[:MOST_ROWS]])
        if drawn == self._drawn:
            self._write_changes(view, cells)
        else:
            self._write_all(view, drawn, cells)
        self._drawn, self._cells = drawn, cells
        self._note.update(self._said(view, rows))

    def _write_changes(self, view: View, cells: list[list[str]]) -> None:
        """Most cells are as they were: writing all of them each second would be a tenth of a core."""
        for number, (row, before) in enumerate(zip(cells, self._cells, strict=True)):
            for place, (cell, was) in enumerate(zip(row, before, strict=True)):
                if cell != was:
                    self._table.update_cell_at(Coordinate(number, place), _cell(view, place, cell), update_width=True)

    def _write_all(self, view: View, drawn: Drawn, cells: list[list[str]]) -> None:
        """Other rows, or in another order. The cursor stays with its row."""
        table, under = self._table, self._under_cursor()
        scrolled = table.scroll_x, table.scroll_y
        table.clear(columns=True)
        for number, column in enumerate(view.columns):
            sign = "" if number != drawn.order else UP if drawn.backwards != column.right else DOWN
            table.add_column(_cell(view, number, column.title + sign))
        for key, row in zip(drawn.keys, cells, strict=True):
            table.add_row(*(_cell(view, place, cell) for place, cell in enumerate(row)), key=key)
        if under in drawn.keys:
            table.move_cursor(row=drawn.keys.index(under), scroll=False)
        table.scroll_to(*scrolled, animate=False)

    def _said(self, view: View, rows: list[Any]) -> str:
        """What is chosen, and what is left out."""
        said = [] if rows or self._words else [view.empty]
        if self._words:
            said.append(f"{len(rows)} with {printable(self._words)!r}")
        if len(rows) > MOST_ROWS:
            said.append(f"{MOST_ROWS} of {len(rows)} are shown: a filter finds the others")
        if self._paused:
            said.append("paused: space goes on")
        return " · ".join([view.name, *said])

    def _under_cursor(self) -> str:
        table = self._table
        if not table.is_valid_row_index(table.cursor_row):
            return ""
        return str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)

    # ---- keys ----

    def action_view(self, name: str) -> None:
        """Show another table."""
        self._view = next(view for view in VIEWS if view.name == name)
        self._table.move_cursor(row=0)
        self._draw()

    def action_order(self) -> None:
        """By the next column, and after the last one as it came."""
        now = self._orders.get(self._view.name)
        following = 0 if now is None else now + 1
        self._orders[self._view.name] = following if following < len(self._view.columns) else None
        self._draw()

    def action_backwards(self) -> None:
        """The other way round."""
        self._backwards ^= {self._view.name}
        self._draw()

    def action_pause(self) -> None:
        """Keep what is shown. The node is still asked, so that going on is at once and shows no rate of a whole pause."""
        self._paused = not self._paused
        self._draw()

    def action_filter(self) -> None:
        """Ask for words."""
        self._filter.add_class("shown")
        self._filter.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The rows follow what is typed."""
        self._words = event.value
        self._draw()

    def on_input_submitted(self) -> None:
        """Back to the table."""
        self._filter.remove_class("shown")
        self._table.focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """All about one peer."""
        if self._view is not PEERS or self._shown is None:
            return
        found = [peer for peer in self._shown["peers"] if peer["name"] == event.row_key.value]
        if found:
            pairs = details(found[0])
            width = max(len(name) for name, _ in pairs)
            text = "\n".join(f"{name:{width}}  {value}" for name, value in pairs)
            self.push_screen(Words(f"{printable(found[0]['name'])}\n\n{text}"))

    def action_help(self) -> None:
        """The keys."""
        self.push_screen(Words(HELP))

    def action_leave(self) -> None:
        """End."""
        self._ended.set()
        self.exit(0)


class Words(ModalScreen[None]):
    """A text over the table, until any of a few keys."""

    BINDINGS: ClassVar = [Binding("escape,enter,q,question_mark", "dismiss", "close")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text, which scrolls."""
        with VerticalScroll():
            yield Static(self._text, markup=False)


def _cell(view: View, place: int, text: str) -> Text:
    """Never as markup, whatever stands there."""
    return Text(text, justify="right" if view.columns[place].right else "left")
