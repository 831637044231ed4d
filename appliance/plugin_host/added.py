"""Judges what plugins add to the management side: operations and commands."""

from __future__ import annotations

import re
from typing import Any

from appliance.api.management import ApiRoute, CliCommand, Option, Positional
from appliance.plugin_host.registry import RefusedRegistration

OPERATION = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")
"""With a dot, which no operation of the core has."""
PERMISSION = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")
COMMAND = re.compile(r"[a-z][a-z0-9-]*( [a-z][a-z0-9-]*)?")
FLAG = re.compile(r"--[a-z][a-z0-9-]*")
ARGUMENT = re.compile(r"[a-z][a-z0-9_]*")
OF_EVERY_COMMAND = frozenset({"--config", "--json", "--help"})
MOST_SECONDS = 600.0


def check_route(route: ApiRoute) -> None:
    """Raises RefusedRegistration."""
    _is(OPERATION, route.name, "name of an operation")
    _is(PERMISSION, route.permission, f"permission of {route.name}")
    _callable(route.handler, f"handler of {route.name}")
    for model in (route.arguments, route.result):
        if model is not None:
            _callable(model, f"model of {route.name}")
    if not 0 < route.seconds <= MOST_SECONDS:
        raise RefusedRegistration(f"{route.name} may take {route.seconds!r} seconds, wanted up to {MOST_SECONDS:g}")


def check_command(command: CliCommand) -> None:
    """Raises RefusedRegistration."""
    _is(COMMAND, command.name, "name of a command")
    _callable(command.run, f"run of the command {command.name!r}")
    names: set[str] = set()
    for argument in command.arguments:
        if isinstance(argument, Option):
            _is(FLAG, argument.flag, f"option of the command {command.name!r}")
        elif isinstance(argument, Positional):
            _is(ARGUMENT, argument.name, f"argument of the command {command.name!r}")
        else:
            raise RefusedRegistration(f"an argument of the command {command.name!r} is a {type(argument).__name__}")
        if argument.name in names or (isinstance(argument, Option) and argument.flag in OF_EVERY_COMMAND):
            raise RefusedRegistration(f"the command {command.name!r} has two arguments {argument.name!r}")
        names.add(argument.name)


def _is(pattern: re.Pattern[str], value: Any, what: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise RefusedRegistration(f"{what}: {value!r} does not look like {pattern.pattern}")


def _callable(value: object, what: str) -> None:
    if not callable(value):
        raise RefusedRegistration(f"{what} cannot be called")
