"""`appliance init`, `check`, `config show`, `schema`: the profile as text, without touching the host."""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal, table
from appliance.errors import ApplianceError, ExitCode, MissingPrivilege
from appliance.foundation import places

NAME = re.compile(r"[a-z0-9-]{1,32}")


def init(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write a starter profile."""
    name = node_name(arguments.name)
    from appliance.profile import starter

    identity = places.config_dir() / places.IDENTITY
    text = starter(name, str(identity))
    if arguments.profile == "-":
        terminal.say(text.rstrip("\n"))
        return ExitCode.OK
    path = Path(arguments.profile) if arguments.profile else places.profile_file()
    _write_new(path, text)
    terminal.note(f"written to {path}. Next:")
    terminal.note(f"  appliance keys new {identity}    this node's identity, to be told to its peers")
    terminal.note(f"  edit {path}, then: appliance check {path}")
    return ExitCode.OK


def check(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Read a profile, and say what is wrong with it."""
    from appliance.cli.opening import chosen, identity_path, open_profile

    opened = open_profile(chosen(arguments.profile, terminal))
    profile = opened.profile
    warnings = list(opened.warnings)
    key_file = identity_path(profile.server.identity)
    if key_file is not None and _is_missing(key_file):
        warnings.append(f"server.identity: {key_file} is not on this host; make it with `appliance keys new {key_file}`")
    for warning in warnings:
        terminal.warning(warning)
    summary = (
        f"{profile.name}: interface {profile.network.interface}, {len(profile.peers)} peer(s), {len(profile.plugins)} plugin(s)"
    )
    terminal.result(
        {"ok": True, "name": profile.name, "files": opened.files, "warnings": warnings},
        f"{', '.join(opened.files) or 'the profile'}: ok ({summary})",
    )
    return ExitCode.OK


def config_show(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Each key with its value, and where it was set."""
    from appliance.cli.opening import chosen, open_profile

    opened = open_profile(chosen(arguments.profile, terminal))
    if terminal.json:
        terminal.document({one.path: {"value": one.value, "origin": one.origin._asdict()} for one in opened.loaded.settings})
    else:
        rows = [(one.path, value_text(one.value), str(one.origin)) for one in opened.loaded.settings]
        terminal.say(table(("key", "value", "origin"), rows))
    return ExitCode.OK


def schema(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """The JSON Schema, with the sections of the plugins that a profile loads by default."""
    from appliance.cli.opening import default_schema

    terminal.document(default_schema())
    return ExitCode.OK


def node_name(given: str | None) -> str:
    """The name that was asked for, or this host's name in a form that fits. Raises UsageError."""
    if given is not None:
        if not NAME.fullmatch(given):
            raise UsageError(f"{given!r} is no node name", hint="lower-case letters, digits and dashes, up to 32")
        return given
    host = socket.gethostname().split(".")[0].lower()
    return re.sub(r"[^a-z0-9-]", "-", host)[:32].strip("-") or "appliance"


def value_text(value: Any) -> str:
    """A value on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _is_missing(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:  # whoever may not look there is not the one who runs the node
        return False


def _write_new(path: Path, text: str) -> None:
    if path.parent == places.config_dir() and os.geteuid():
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not path.parent.is_dir():
        raise ApplianceError(f"{path.parent}: there is no such directory", hint=f"make it first: mkdir -p {path.parent}")
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ApplianceError(
            f"{path} exists already and is not overwritten", hint="write to another path, or to - (standard output)"
        ) from error
    except PermissionError as error:
        raise MissingPrivilege(f"{path}: you may not write there", hint="run it as root (sudo), or name another path") from error
