from __future__ import annotations

import io
import threading

from appliance.cli.terminal import Terminal
from appliance.cli.waiting import waiting


class Screen(io.StringIO):
    """A person looks at it. `written` is set when something is."""

    def __init__(self, *, person: bool) -> None:
        super().__init__()
        self.person = person
        self.written = threading.Event()

    def isatty(self) -> bool:
        return self.person

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def terminal(screen: Screen) -> Terminal:
    return Terminal(out=io.StringIO(), err=screen, environ={"TERM": "xterm"})


def test_who_waits_is_told_so_once() -> None:
    screen = Screen(person=True)
    with waiting(terminal(screen), "asking …", after=0.0):
        assert screen.written.wait(60)
    assert screen.getvalue() == "asking …\n"


def test_what_is_quick_says_nothing() -> None:
    screen = Screen(person=True)
    with waiting(terminal(screen), "asking …", after=3600.0):
        pass
    assert screen.getvalue() == ""


def test_programs_are_told_nothing() -> None:
    screen = Screen(person=False)
    with waiting(terminal(screen), "asking …", after=0.0):
        assert not screen.written.wait(0.05)
