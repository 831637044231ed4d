"""The standard streams as a command may find them: closed, on a full device, or with a reader that is gone.

A closed stream becomes /dev/null. Standard error may fail: nothing happens. If the result of a command cannot be written, its
exit code says so. Nothing is left for Python to write at exit, since that would end with 120.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
"""In the order of their descriptors."""


class Streams:
    """The three streams of this process, from its first moment to its last."""

    def __init__(self) -> None:
        _fill_closed()
        self._output = _watched_output()

    @property
    def lost(self) -> OSError | None:
        """Why standard output did not take everything, as far as it is known by now; None if it did."""
        return self._output.failure if self._output is not None else None

    def empty(self) -> OSError | None:
        """Write what waits, and drop what cannot be written. Why standard output did not take everything; None if it did."""
        failure = _empty(sys.stdout)
        _empty(sys.stderr)
        return self.lost or failure


class _Output(io.FileIO):
    """Standard output that remembers why it failed, so that a lost result can be told from other errors."""

    failure: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """As every raw stream."""
        try:
            while (written := super().write(data)) is None:  # somebody made it non-blocking, and it is full
                select.select((), (self,), ())
        except OSError as error:
            self.failure = self.failure or error
            raise
        return written


def _fill_closed() -> None:
    """Open /dev/null for closed streams. Otherwise the next file that is opened gets the number, and everything that is
    printed."""
    for descriptor, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - lives on


def _watched_output() -> _Output | None:
    """None if somebody has put something else in its place."""
    plain = sys.stdout
    if plain is not sys.__stdout__ or not isinstance(plain, io.TextIOWrapper) or plain.fileno() != 1:
        return None
    plain.flush()
    raw = _Output(1, "w", closefd=False)
    buffered = plain.line_buffering, plain.write_through
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), plain.encoding, plain.errors, line_buffering=buffered[0], write_through=buffered[1]
    )
    return raw


def _empty(stream: TextIO) -> OSError | None:
    try:
        stream.flush()
    except BaseException as error:  # also a Ctrl-C while nobody reads
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
        if not isinstance(error, OSError):
            raise
        return error
    return None
