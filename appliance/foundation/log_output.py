"""Where log lines go without ever holding up the daemon: a reader that hangs costs lines, which are counted, and nothing else."""

from __future__ import annotations

import logging
import os
import select
import stat
from typing import Final, TextIO

PIECE: Final = select.PIPE_BUF
"""Bytes that a pipe which polls as writable takes at once (pipe(7))."""
LONGEST: Final = 16 * PIECE
"""A line longer than this is cut: a traceback of a deep recursion, at most."""


class PatientHandler(logging.Handler):
    """Writes lines to a descriptor's stream; when the stream takes no more, counts what was lost and says so once it does."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._descriptor = _pipe_of(stream)
        self._poll = select.poll()
        if self._descriptor is not None:
            self._poll.register(self._descriptor, select.POLLOUT)
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, or count it as lost."""
        try:
            line = self.format(record) + "\n"
            if self._descriptor is None:
                self._stream.write(line)
                self._stream.flush()
            else:
                self._write_if_taken(line.encode(errors="backslashreplace"))
        except OSError:  # a full disk, or a reader that is gone
            self.lost += 1
        except Exception:  # noqa: BLE001  the logging contract: a handler reports to stderr and goes on
            self.handleError(record)

    def _write_if_taken(self, line: bytes) -> None:
        if self.lost and self._write(b"(%d log lines were lost: nobody read them)\n" % self.lost):
            self.lost = 0
        if self.lost or not self._write(line[:LONGEST]):
            self.lost += 1

    def _write(self, line: bytes) -> bool:
        """False: not even the beginning was taken. What breaks off in the middle ends its line when there is room again."""
        assert self._descriptor is not None
        for at in range(0, len(line), PIECE):
            if not self._poll.poll(0):
                return at > 0
            os.write(self._descriptor, line[at : at + PIECE])
        return True


def _pipe_of(stream: TextIO) -> int | None:
    """The descriptor behind `stream` when writing to it may block for ever: a pipe or a socket."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
