"""What the commands write to: results on standard output, everything else on standard error, colour only for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_GAP = "  "


class Terminal:
    """Where one command writes to."""

    def __init__(
        self, *, json: bool = False, out: TextIO | None = None, err: TextIO | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.json = json
        """Standard output gets exactly one document, or one on each line."""
        self._one_a_line = False
        self._out = _forgiving(out or sys.stdout)
        self._err = _forgiving(err or sys.stderr)
        plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        self.out_colour = self._out.isatty() and not plain
        """Standard output takes colours."""
        self.err_colour = self._err.isatty() and not plain
        """Standard error takes colours."""
        self.out_is_tty = self._out.isatty()
        """A person reads standard output."""
        self.err_is_tty = self._err.isatty() and environ.get("TERM") != "dumb"
        """Standard error can be drawn on."""

    @property
    def drawing(self) -> TextIO:
        """Where a bar is drawn, if `err_is_tty`."""
        return self._err

    def say(self, text: str = "") -> None:
        """A line of the result, for people."""
        self._out.write(text + "\n")

    def document(self, value: Any) -> None:
        """The result for machines: the one JSON document, or one of many, each on its line."""
        indent = None if self._one_a_line else 2
        self._out.write(json.dumps(value, indent=indent, ensure_ascii=False, default=str) + "\n")

    def line(self, value: Any, text: str) -> None:
        """One of many results, told at once: an object on a line of its own, or `text`. Raises BrokenPipeError when the reader is
        gone."""
        self._one_a_line = True
        if self.json:
            self.document(value)
        else:
            self.say(text)
        self.flush()

    def result(self, value: Any, text: str) -> None:
        """The result in the form that was asked for."""
        if self.json:
            self.document(value)
        else:
            self.say(text)

    def note(self, text: str) -> None:
        """Progress, warnings and advice. If the terminal is gone, the command goes on."""
        with suppress(OSError):
            self._err.write(text + "\n")
            self._err.flush()

    def error(self, message: str, hint: str = "") -> None:
        """`error: …`, and `hint: …` if there is something to do."""
        self.note(f"{self._styled('error:', 'red', colour=self.err_colour)} {message}")
        if hint:
            self.note(f"{self._styled('hint:', 'cyan', colour=self.err_colour)} {hint}")

    def warning(self, message: str) -> None:
        """`warning: …`."""
        self.note(f"{self._styled('warning:', 'yellow', colour=self.err_colour)} {message}")

    def clear(self) -> None:
        """Empty the screen, before something is drawn again."""
        if self.out_is_tty:
            self._out.write("\x1b[H\x1b[2J\x1b[3J")

    def flush(self) -> None:
        """Write everything that waits. Raises BrokenPipeError if the reader is gone."""
        self._out.flush()

    def styled(self, text: str, style: str) -> str:
        """`text` in a style ("bold", "dim", "red", …), if standard output takes colours."""
        return self._styled(text, style, colour=self.out_colour)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """As the function of this module: for the commands of plugins."""
        return table(head, rows)

    @staticmethod
    def _styled(text: str, style: str, *, colour: bool) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be, the head in capitals. "" if there are no rows."""
    lines = [[cell.upper() for cell in head], *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def bytes_text(count: float) -> str:
    """A number of bytes for people: `0 B`, `17.3 kB`, `1.2 GB` (powers of a thousand)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def seconds_text(seconds: float) -> str:
    """A time span for people: `0.4s`, `12s`, `3min 20s`, `2h 5min`, `3d 4h`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    for size, unit, smaller, smaller_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size}{unit}" + (f" {rest}{smaller_unit}" if rest else "")
    return f"{whole}s"


def _forgiving(stream: TextIO | None) -> TextIO:
    """A stream that does not fail at a character that it cannot show. A closed descriptor becomes /dev/null."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - lives as long as the process
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return stream
