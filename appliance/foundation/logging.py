"""Structured logs: an event, its context, one line each; for people on a terminal, JSON elsewhere.

    log = get_logger("sessions").bind(peer="laptop")
    log.info("session ready", session=str(uuid), suite="aes-256-gcm")

The standard library's `logging` carries the records, because asyncio has loaded it anyway: docs/adr/0004 has the figures.
error wakes a person, warning may, info is a change users feel, debug a turn not taken, trace what happened inside. Never one
line per packet (see `once_per`). Secrets are removed here (`redaction`), whatever the caller passes.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from appliance.foundation import clock
from appliance.foundation.journal_output import JOURNAL, JournalHandler
from appliance.foundation.log_output import PatientHandler
from appliance.foundation.redaction import redact_fields, redact_text

TRACE = 5
LEVELS = {"trace": TRACE, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
LEVEL_NAMES = {number: name for name, number in LEVELS.items()}
ROOT = "appliance"
_SYSLOG_PRIORITY = {"trace": 7, "debug": 7, "info": 6, "warn": 4, "error": 3}
_COLOURS = {"trace": "2", "debug": "2", "info": "32", "warn": "33", "error": "31"}
_REMEMBERED_KEYS = 1_000
"""Keys that `once_per` remembers. If there are more, the oldest is forgotten, which costs one line too many."""


class Logger:
    """A named source of log lines, with the context that was bound to it. Cheap to make; never changes."""

    __slots__ = ("_context", "_target")

    def __init__(self, target: logging.Logger, context: Mapping[str, Any]) -> None:
        self._target = target
        self._context = context

    def bind(self, **context: Any) -> Logger:
        """The same logger with more context on each line (`peer`, `session`, …)."""
        return Logger(self._target, {**self._context, **context})

    def enabled(self, level: str) -> bool:
        """Would a line of `level` be written? Ask before computing something only for a log line."""
        return self._target.isEnabledFor(LEVELS[level])

    def trace(self, event: str, **fields: Any) -> None:
        """What happened inside; for hunting a bug."""
        self._write(TRACE, event, fields)

    def debug(self, event: str, **fields: Any) -> None:
        """A decision not to do something. Addresses may be in it."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """A change that users feel."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """May wake a person."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Wakes a person."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """An error, with the exception that is being handled: its kind and text always, its traceback at debug."""
        error = sys.exc_info()[1]
        self._write(logging.ERROR, event, {**fields, "error": error}, traceback=self.enabled("debug"))

    def _write(self, level: int, event: str, fields: Mapping[str, Any], traceback: bool = False) -> None:
        if self._target.isEnabledFor(level):
            self._target.log(level, "%s", event, extra={"fields": {**self._context, **fields}}, exc_info=traceback)


def get_logger(component: str, **context: Any) -> Logger:
    """The logger of a part of the appliance ("sessions", "plugin.transport-ip")."""
    return Logger(logging.getLogger(f"{ROOT}.{component}"), context)


def configure(
    level: str = "info",
    form: str = "auto",
    *,
    node: str = "",
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    journal_socket: Path = JOURNAL,
) -> None:
    """Send the process's logs to `stream` (standard error). May be called again; the last call counts.

    `level` is one of LEVELS; `$APPLIANCE_LOG` overrules it. `form` is "human", "json" or "auto": human on a terminal and in the
    journal (which also gets each field), JSON elsewhere. Lines of other libraries come in the same format, but only warnings and
    errors: their debugging would hide ours. Raises ValueError for an unknown level or format.
    """
    out = sys.stderr if stream is None else stream
    number = level_number(environ.get("APPLIANCE_LOG") or level)
    journal = _is_journal(out, environ)
    if form not in ("auto", "human", "json"):
        raise ValueError(f"{form!r} is no log format: auto, human or json")
    human = form == "human" or (form == "auto" and (journal or out.isatty()))
    handler: logging.Handler = PatientHandler(out)
    formatter: logging.Formatter
    if human and journal:
        formatter = JournalTextFormatter()
        handler.setFormatter(PriorityFormatter(formatter))
        handler = JournalHandler(journal_socket, lambda record: journal_fields(record, node), spare=handler)
    elif human:
        formatter = HumanFormatter(node, colour=out.isatty() and not environ.get("NO_COLOR"))
    else:
        formatter = JsonFormatter(node)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))
    logging.getLogger(ROOT).setLevel(number)


def level_number(name: str) -> int:
    """The number of a level's name, in any case of letters; "warning" is "warn". Raises ValueError with the names there are."""
    number = LEVELS.get({"warning": "warn"}.get(name.lower(), name.lower()))
    if number is None:
        raise ValueError(f"{name!r} is no log level: {', '.join(LEVELS)}")
    return number


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, component, event, node, then the fields."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": clock.utc_text(record.created),
            "level": _level_name(record.levelno),
            "component": _component(record),
            "event": redact_text(record.getMessage()),
        }
        if self._node:
            line["node"] = self._node
        for key, value in _fields(record).items():
            line.setdefault(key, value)
        if record.exc_info:
            line["traceback"] = redact_text(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class HumanFormatter(logging.Formatter):
    """`09:10:30.123 info  sessions: session ready  node=gateway peer=laptop suite=aes-256-gcm`."""

    def __init__(self, node: str, *, colour: bool) -> None:
        super().__init__()
        self._node = node
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line, more than one with a traceback."""
        level = _level_name(record.levelno)
        shown = f"\x1b[{_COLOURS[level]}m{level:5}\x1b[0m" if self._colour else f"{level:5}"
        text = _sentence(self, record, {"node": self._node} if self._node else {})
        return f"{clock.utc_text(record.created)[11:23]} {shown} {text}"


class JournalTextFormatter(logging.Formatter):
    """`sessions: session ready  peer=laptop suite=aes-256-gcm`: the journal itself knows the time, the level and the node."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, more than one with a traceback."""
        return _sentence(self, record, {})


class PriorityFormatter(logging.Formatter):
    """The text of another formatter, for a stream that goes to the journal: each line with a priority in front (sd-daemon(3))."""

    def __init__(self, text: logging.Formatter) -> None:
        super().__init__()
        self._text = text

    def format(self, record: logging.LogRecord) -> str:
        """The lines."""
        priority = _SYSLOG_PRIORITY[_level_name(record.levelno)]
        return "\n".join(f"<{priority}>{line}" for line in self._text.format(record).splitlines())


def journal_fields(record: logging.LogRecord, node: str) -> dict[str, str]:
    """What the journal keeps besides the text, so that `journalctl PEER=laptop` finds it."""
    fields = {name: _human_value(value) if not isinstance(value, str) else value for name, value in _fields(record).items()}
    own = {"priority": str(_SYSLOG_PRIORITY[_level_name(record.levelno)]), "component": _component(record), "node": node}
    return fields | {"event": redact_text(record.getMessage())} | {name: value for name, value in own.items() if value}


def once_per(seconds: float, key: str) -> int:
    """How often `key` came up since it was last let through, itself included; 0 means: say nothing now.

    if times := once_per(10, f"refused {reason}"):
        log.warning("handshakes refused", reason=reason, times=times)
    """
    now = clock.monotonic()
    let_through, held_back = _SEEN.get(key, (None, 0))
    if let_through is not None and now - let_through < seconds:
        _SEEN[key] = (let_through, held_back + 1)
        return 0
    _SEEN[key] = (now, 0)
    _SEEN.move_to_end(key)
    if len(_SEEN) > _REMEMBERED_KEYS:
        _SEEN.popitem(last=False)
    return held_back + 1


_SEEN: OrderedDict[str, tuple[float | None, int]] = OrderedDict()


def _sentence(formatter: logging.Formatter, record: logging.LogRecord, first: Mapping[str, str]) -> str:
    """What happened, where, and with what; a traceback below it."""
    pairs = " ".join(f"{key}={_human_value(value)}" for key, value in {**first, **_fields(record)}.items())
    text = f"{_component(record)}: {redact_text(record.getMessage())}" + (f"  {pairs}" if pairs else "")
    return text + ("\n" + redact_text(formatter.formatException(record.exc_info)) if record.exc_info else "")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    debug = logging.getLogger(ROOT).isEnabledFor(logging.DEBUG)
    return redact_fields(getattr(record, "fields", {}), addresses=debug)


def _component(record: logging.LogRecord) -> str:
    return record.name.removeprefix(ROOT + ".")


def _level_name(number: int) -> str:
    if number in LEVEL_NAMES:
        return LEVEL_NAMES[number]
    return "error" if number > logging.ERROR else "debug"


def _human_value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if not value or any(mark in ' "=\n' for mark in value) else value
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_journal(out: TextIO, environ: Mapping[str, str]) -> bool:
    """Does this stream go to the journal? $JOURNAL_STREAM has device and inode of one that does (systemd.exec(5))."""
    try:
        status = os.fstat(out.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
