"""Gives each line with its fields to the journal, in its own protocol: one datagram for each entry, without libsystemd.

A field is `NAME=value` and a line break. A value with line breaks is sent as `NAME`, a line break, its length in 64 bits
(little-endian), the value and a line break (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
"""

from __future__ import annotations

import logging
import re
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

JOURNAL: Final = Path("/run/systemd/journal/socket")
IDENTIFIER: Final = "appliance"
LONGEST: Final = 48 * 1024
"""Bytes of a value; a longer one is cut. Two such values fit into a datagram of the default size."""
MOST_FIELDS: Final = 32
_FOREIGN: Final = re.compile(r"[^A-Z0-9_]")


class JournalHandler(logging.Handler):
    """Sends entries: the text that the formatter makes, and the further `fields`. Never waits: what the journal does not take
    goes to `spare`, which writes to a stream that the journal reads too."""

    def __init__(self, path: Path, fields: Callable[[logging.LogRecord], Mapping[str, str]], *, spare: logging.Handler) -> None:
        super().__init__()
        self._path = str(path)
        self._fields = fields
        self._spare = spare
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one entry."""
        try:
            entry = encode({**self._fields(record), "syslog_identifier": IDENTIFIER, "message": self.format(record)})
        except Exception:  # noqa: BLE001  the logging contract: a handler reports to stderr and goes on
            self.handleError(record)
            return
        try:
            self._socket.sendto(entry, self._path)
        except OSError:
            self._spare.handle(record)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
        super().close()


def encode(fields: Mapping[str, str]) -> bytes:
    """One entry. Names become as the journal wants them: capitals, digits and underscores, beginning with a capital, at most
    64."""
    entry = bytearray()
    for name, value in list(fields.items())[-MOST_FIELDS:]:
        shown = _FOREIGN.sub("_", name.upper()).lstrip("_0123456789")[:64]
        content = value.encode(errors="backslashreplace")[:LONGEST]
        if not shown:
            continue
        if b"\n" in content:
            entry += shown.encode() + b"\n" + struct.pack("<Q", len(content)) + content + b"\n"
        else:
            entry += shown.encode() + b"=" + content + b"\n"
    return bytes(entry)
