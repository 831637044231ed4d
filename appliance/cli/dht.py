"""`appliance dht …`: records that the members of a network keep for each other, and who and where the members are."""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.cli.parser import UsageError, seconds_of
from appliance.cli.terminal import seconds_text, table
from appliance.cli.waiting import waiting
from appliance.control import client
from appliance.errors import ApplianceError, ExitCode

if TYPE_CHECKING:
    from appliance.cli.terminal import Terminal

SECONDS: Final = 30.0
"""The longest look-up and what it has kept take 10."""
MOST_VALUE: Final = 1024
"""Bytes; see `knowledge.dht.wire`."""


def put(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Put a record of this node."""
    value = _value(arguments)
    asked: dict[str, Any] = {"key": arguments.key, "base64": base64.b64encode(value).decode()}
    return _keep("dht.put", asked, arguments, terminal)


def get(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print the records under a key, or write the first one's value to a file."""
    found = _ask("dht.get", {"key": arguments.key}, terminal)
    if arguments.output:
        _write(Path(arguments.output), base64.b64decode(found["records"][0]["base64"]))
    elif terminal.json or len(found["records"]) > 1:
        terminal.result(found, records_text(found["records"]))
    else:
        terminal.say(_shown(found["records"][0]))
    return ExitCode.OK


def provide(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Say that this node has something, or has it no more."""
    if arguments.withdraw:
        terminal.result(
            _ask("dht.provide", {"key": arguments.key, "withdraw": True}, terminal), "others hear it when what they know expires"
        )
        return ExitCode.OK
    return _keep("dht.provide", {"key": arguments.key}, arguments, terminal)


def providers(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print who has something."""
    found = _ask("dht.providers", {"key": arguments.key}, terminal)
    terminal.result(found, table(("member", "identity"), [(each["name"], each["identity"]) for each in found["providers"]]))
    return ExitCode.OK


def find(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print where a member is."""
    found = _ask("dht.find", {"member": arguments.member}, terminal)
    terminal.result(found, found_text(found))
    return ExitCode.OK


def nodes(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """Print this node's table."""
    found = _ask("dht.nodes", {}, terminal)
    terminal.result(found, nodes_text(found))
    return ExitCode.OK


def add(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Have a member asked."""
    member = _ask("dht.add", {"member": arguments.member}, terminal)
    terminal.result(member, f"{member['name']} is asked, and comes into the table when it answers: appliance dht nodes")
    return ExitCode.OK


def remove(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Have a member in the table no more."""
    member = _ask("dht.remove", {"member": arguments.member}, terminal)
    terminal.result(member, f"{member['name']} is out of the table, until it answers again")
    return ExitCode.OK


# ---- for people ----


def records_text(records: Sequence[Mapping[str, Any]]) -> str:
    """A line for each record."""
    rows = [(each["by"]["name"], each["written"], each["expires"], _shown(each)) for each in records]
    return table(("written by", "written", "expires", "value"), rows)


def found_text(found: Mapping[str, Any]) -> str:
    """Who it is, where it says that it is, and who is near it."""
    lines = [
        f"{found['name']}  {found['identity']}",
        f"answers: {'yes' if found['answers'] else 'no'}",
        *(f"at {endpoint}" for endpoint in found["endpoints"]),
        *(f"over {relay['name']}" for relay in found["relays"]),
        f"closest to it: {', '.join(each['name'] for each in found['closest']) or 'nobody that answered'}",
    ]
    return "\n".join(lines)


def nodes_text(found: Mapping[str, Any]) -> str:
    """A line for each node, the sums behind it."""
    rows = [
        (each["name"], str(each["bucket"]), f"{seconds_text(each['heard_s'])} ago", str(each["failures"] or ""), each["id"])
        for each in found["nodes"]
    ]
    stats, figures = found["stats"], found["figures"]
    sums = f"{stats['totalNodes']} nodes in {stats['bucketsUsed']} buckets; {figures.get('records', 0)} records kept here"
    lines = [table(("member", "bucket", "heard", "failures", "id"), rows) if rows else "no other node is known", sums]
    return "\n".join([*lines, *([f"warning: {found['warning']}"] if found["warning"] else [])])


def _shown(record: Mapping[str, Any]) -> str:
    """Its text, or else what its bytes are in base 64."""
    value = record["value"]
    return record["base64"] if value is None else str(value)


# ---- asking ----


def _ask(op: str, asked: Mapping[str, Any], terminal: Terminal) -> Any:
    with waiting(terminal, "asking other members …"):
        return client.call(op, asked, timeout=SECONDS)


def _keep(op: str, asked: dict[str, Any], arguments: argparse.Namespace, terminal: Terminal) -> int:
    lasting: str | None = getattr(arguments, "for")
    if lasting is not None:
        asked["seconds"] = seconds_of(lasting, "--for")
    kept = _ask(op, asked, terminal)
    terminal.result(kept, f"kept by {kept['stored_at']} members, after {kept['seconds']:.2f} s")
    return ExitCode.OK


def _value(arguments: argparse.Namespace) -> bytes:
    """What to put. Raises UsageError."""
    if arguments.value is not None and arguments.file is not None:
        raise UsageError("there is either a value or --file", hint="without both, standard input is the value")
    if arguments.value is not None:
        value = str(arguments.value).encode(errors="surrogateescape")
    elif arguments.file is not None:
        value = _read(Path(arguments.file))
    else:
        value = sys.stdin.buffer.read(MOST_VALUE + 1)
    if len(value) > MOST_VALUE:
        raise UsageError(f"a value has at most {MOST_VALUE} bytes", hint="put it elsewhere, and where that is here")
    return value


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_VALUE + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, value: bytes) -> None:
    try:
        path.write_bytes(value)
    except OSError as error:
        raise ApplianceError(f"{path} cannot be written: {error.strerror}", hint="--output names another file") from None
