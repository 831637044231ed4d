"""Where log lines go without ever holding up the daemon. If nobody reads them, lines are lost and counted, and nothing else
happens."""

from __future__ import annotations

import logging
import os
import select
import stat
from typing import Final, TextIO

PIECE: Final = select.PIPE_BUF
"""Bytes that a pipe takes at once if it polls as writable (pipe(7))."""
LONGEST: Final = 16 * PIECE
"""A longer line is cut. At most the traceback of a deep recursion is as long."""


class PatientHandler(logging.Handler):
    """Writes lines to the stream of a descriptor. If the stream takes no more, it counts what was lost, and says so once it takes
    some again."""

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
        """False if not even the beginning was taken. A line that breaks off in the middle ends once there is room again."""
        assert self._descriptor is not None
        for at in range(0, len(line), PIECE):
            if not self._poll.poll(0):
                return at > 0
            os.write(self._descriptor, line[at : at + PIECE])
        return True


def _pipe_of(stream: TextIO) -> int | None:
    """The descriptor behind `stream` if writing to it may block for ever: a pipe or a socket. Otherwise None."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
