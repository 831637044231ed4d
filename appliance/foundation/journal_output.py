"""Gives the journal each line with its fields, by its own protocol: one datagram an entry, without libsystemd.

A field is `NAME=value` and a line break; a value that has line breaks itself comes as `NAME`, a line break, its length in 64 bits
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
"""Bytes of a value; a longer one is cut. Two such fit the datagram that a socket takes by default."""
MOST_FIELDS: Final = 32
_FOREIGN: Final = re.compile(r"[^A-Z0-9_]")


class JournalHandler(logging.Handler):
    """Sends entries: the text as the formatter makes it, and the further `fields`. Never waits: what the journal does not take
    goes to `spare`, which writes to the stream that the journal reads as well."""

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
    """One entry. Names become what the journal takes: capitals, digits and underscores, not at the beginning, at most 64."""
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
