"""`appliance audit`: shows, verifies and exports the audit log, and shows its heads."""

from __future__ import annotations

import argparse
import csv
import io
import json
import select
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from appliance.api.units import parse_seconds
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ExitCode
from appliance.foundation import clock
from appliance.management.audit.entry import clean
from appliance.management.audit.findings import Report
from appliance.management.audit.head import HeadInvalid, SignedHead, of_document
from appliance.management.audit.verifying import Verification
from appliance.runtime.audit.folder import HEAD, NoAuditLog, only_folder, segments, with_texts
from appliance.runtime.audit.reading import MOST_ENTRIES, Wanted, entries_in, text_of_entry

FOLLOW_SECONDS: Final = 1.0
ASK_SECONDS: Final = 20.0
"""How long a peer may take to say which heads it keeps, and the node to pass that on."""
DEFAULT_LIMIT: Final = 50
MOST_HEADS_BYTES: Final = 64 << 20
COLUMNS: Final = (
    *("n", "time", "kind", "name", "uid", "roles", "what", "target", "outcome", "reason", "times", "permission", "request"),
    *("told_by", "more", "hash"),
)
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula."""


def show(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print entries, the newest last; with --follow those to come, too."""
    wanted = _wanted(arguments)
    found = _newest(wanted._asdict(), _limit(arguments.limit))
    for entry in reversed(found):
        terminal.line(entry, _line(entry, terminal))
    if not found and not arguments.follow:
        terminal.note("nothing was recorded that this asks for")
    after = found[0]["n"] if found else 0
    while arguments.follow:
        page = _ask({**wanted._asdict(), "after": after, "limit": MOST_ENTRIES})
        for entry in page["entries"]:
            terminal.line(entry, _line(entry, terminal))
        if page["after"] == after:
            select.select([], [], [], FOLLOW_SECONDS)
        after = page["after"]
    return ExitCode.OK


def verify(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Verify all that is in the folder."""
    folder = only_folder(arguments.folder)
    # First the heads, then the log, which goes on meanwhile: a head that is younger than what was read would be a false alarm.
    given = [] if arguments.head is None else heads_in(Path(arguments.head))
    given += [] if arguments.ask is None else _kept_by(arguments.ask)
    own = _own_head(folder)
    verification = _read(folder)
    nodes = verification.nodes
    ours = [head.head for head in given if head.node in nodes or not nodes]
    if given and not ours:
        raise HeadInvalid(f"none of these heads is of this node ({', '.join(sorted(nodes))})", hint="they are of other nodes")
    report = verification.report([*ours, *(head.head for head in own if head.node in nodes)])
    terminal.result(report.document() | {"folder": str(folder), "heads": len(ours)}, _report_text(report, folder, len(ours)))
    return ExitCode.OK if report.good else ExitCode.FAILURE


def export(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print all entries that are wanted."""
    wanted = _wanted(arguments)
    if arguments.csv:
        terminal.say(_csv_line(COLUMNS))
    for _, data in with_texts(only_folder(arguments.folder)):
        for entry in entries_in(data):
            if wanted.fits(entry):
                terminal.say(_csv_line(_cells(entry)) if arguments.csv else json.dumps(entry, sort_keys=True))
    return ExitCode.OK


def heads(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """Print the heads that the node knows."""
    answer = _asked("audit_heads", {})
    rows = [_head_row(head, "own") for head in answer["heads"]] + [_head_row(head, "kept") for head in answer["others"]]
    head = ("whose", "node", "entry", "time", "hash")
    terminal.result(answer, terminal.table(head, rows) if rows else "there is no head yet: nothing was recorded")
    return ExitCode.OK


def heads_in(path: Path) -> list[SignedHead]:
    """Those in a file. Raises HeadInvalid, OSError."""
    with path.open("rb") as file:
        text = file.read(MOST_HEADS_BYTES)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise HeadInvalid(f"{path} is no file of heads", hint="write one: appliance audit heads --json > FILE") from None
    documents = said
    if isinstance(said, dict):
        documents = [*said["heads"], *said.get("others", ())] if isinstance(said.get("heads"), list) else [said]
    if not isinstance(documents, list) or not documents or not all(isinstance(each, dict) for each in documents):
        raise HeadInvalid(f"{path} has no heads", hint="write one: appliance audit heads --json > FILE")
    return [of_document(each) for each in documents]


def _kept_by(peer: str) -> list[SignedHead]:
    """What a peer keeps of this node. Raises HeadInvalid if that is nothing."""
    found = [of_document(each) for each in _asked("audit_heads", {"peer": peer})["heads"]]
    if not found:
        raise HeadInvalid(f"{peer} keeps no heads of this node", hint="a node gives them to three of its peers: ask another one")
    return found


def _read(folder: Path) -> Verification:
    """All that is there. Raises PermissionError."""
    verification = Verification()
    for segment in segments(folder):
        try:
            verification.segment(segment.path.name, segment.read())
        except FileNotFoundError:  # retention has removed it in this moment
            continue
        except PermissionError:
            raise
        except OSError as error:
            verification.unreadable(segment.path.name, (error.strerror or str(error)).lower())
    return verification


def _own_head(folder: Path) -> list[SignedHead]:
    """The one that the node keeps beside its log: it shows what somebody did who did not think of it."""
    try:
        return heads_in(folder / HEAD)
    except (HeadInvalid, FileNotFoundError):
        return []


# ---- asking the node ----


def _newest(wanted: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    before: int | None = 0
    while before is not None and len(found) < limit:
        size = min(MOST_ENTRIES, limit - len(found))
        page = _ask({**wanted, "order": "newest", "before": before, "limit": size})
        found += page["entries"]
        before = page["before"]
    return found


def _ask(args: Mapping[str, Any]) -> Any:
    return _asked("audit", {key: value for key, value in args.items() if value != ""})


def _asked(operation: str, args: Mapping[str, Any]) -> Any:
    try:
        return client.call(operation, args, timeout=ASK_SECONDS if "peer" in args else client.ANSWER_TIMEOUT)
    except client.ControlError as error:
        if error.code == "unknown-operation":
            hint = "write `audit: {}` into its profile and apply it"
            raise NoAuditLog("this node keeps no audit log", hint=hint) from None
        raise


# ---- words ----


def _wanted(arguments: argparse.Namespace) -> Wanted:
    since, until = _time(arguments.since, "--since"), _time(arguments.until, "--until")
    return Wanted(arguments.who or "", arguments.what or "", since, until)


def _time(text: str | None, option: str) -> str:
    """As entries have it. Raises UsageError."""
    if text is None:
        return ""
    try:
        return clock.utc_text(clock.wall() - parse_seconds(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
        return clock.utc_text((found if found.tzinfo else found.astimezone()).timestamp())
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{option}: {text!r} is no time", hint="2h, 2026-11-28, or 2026-11-28T06:00:00Z") from None


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise UsageError(f"--limit: {text!r} is no number from 1 to 1000000")
    return int(text)


def _line(entry: Mapping[str, Any], terminal: Terminal) -> str:
    style = {"denied": "red", "failed": "yellow"}.get(str(entry.get("outcome")), "")
    said = text_of_entry(entry)
    return f"{terminal.styled(clean(str(entry.get('time'))), 'dim')}  {terminal.styled(said, style) if style else said}"


def _report_text(report: Report, folder: Path, heads: int) -> str:
    against = f", against {heads} {'head' if heads == 1 else 'heads'} kept elsewhere" if heads else ""
    lines = [each.text() for each in report.findings]
    if report.more:
        lines.append(f"and {report.more} more")
    lines += [f"note: {note}" for note in report.notes]
    count = f"{report.entries} entries in {report.segments} files, {report.first} to {report.last}"
    lines.append(f"{folder}: {'good' if report.good else 'CHANGED'}: {count}{against}")
    return "\n".join(clean(line, 1000) for line in lines)


def _head_row(head: Mapping[str, Any], whose: str) -> tuple[str, ...]:
    return whose, str(head["node"]), str(head["number"]), clock.utc_text(float(head["time"])), str(head["hash"])[:16]


def _cells(entry: Mapping[str, Any]) -> Sequence[str]:
    flat: dict[str, Any] = {**entry}
    if isinstance(who := flat.pop("who", None), Mapping):
        flat |= {key: who.get(key) for key in ("kind", "name", "uid", "roles")}
    return [_cell(flat.get(column)) for column in COLUMNS]


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) and not isinstance(value, int) else text


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
