"""What a client is told before it begins: by arguments, by the environment, by a file. The first that says something counts.

The file is TOML: `$APPLIANCE_SDK_CONFIG`, else `$XDG_CONFIG_HOME/appliance/sdk.toml` (`~/.config` without that variable), else
`/etc/appliance/sdk.toml`. A key of it is the name of a field; the variable for it is `APPLIANCE_SDK_` and the name in capitals.

    deadline_s = 5.0        APPLIANCE_SDK_DEADLINE_S=5        Client(deadline_s=5.0)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from appliance.sdk.errors import ConfigInvalid

PREFIX: Final = "APPLIANCE_SDK_"
FILE_VARIABLE: Final = f"{PREFIX}CONFIG"
MOST_BYTES: Final = 1 << 16
"""Of the file."""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """How a client behaves. Seconds end in `_s`."""

    instance: str = ""
    """The name of the node to ask, where several run; "" for the one without a name, or that `$APPLIANCE_INSTANCE` names."""
    deadline_s: float = 10.0
    """For a call that says no deadline of its own, attempts and waits together."""
    attempts: int = 4
    """How often one call is made at most; 1 means no retries."""
    backoff_first_s: float = 0.05
    """Upper end of the random wait before the second attempt; it doubles with each."""
    backoff_most_s: float = 5.0
    retry_share: float = 0.2
    """Retries that each call pays for, in the long run."""
    calls_per_s: float = 0.0
    """Calls that may begin in a second; more wait their turn. 0: as many as you like."""
    breaker_failures: int = 5
    """Failures in a row after which calls to one place fail at once for a while."""
    breaker_open_s: float = 5.0
    pool_most: int = 16
    """Connections of one pool, in use or kept."""
    pool_idle_s: float = 60.0
    """A connection that nobody used for so long is closed."""
    pool_life_s: float = 600.0
    """One that is older is not used again."""
    discover_s: float = 5.0
    """How long a list of a service's instances is used before it is asked for again."""
    balancing: str = "least-loaded"
    """How instances take turns: least-loaded or round-robin."""

    @classmethod
    def load(cls, given: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """From arguments (None: not said), environment and file. Raises ConfigInvalid with every problem at once."""
        environ = os.environ if environ is None else environ
        problems: list[str] = []
        said: dict[str, Any] = {}
        for where, layer in (
            *_file(environ, problems),
            ("environment", _environment(environ)),
            ("arguments", {name: value for name, value in (given or {}).items() if value is not None}),
        ):
            for name, value in layer.items():
                problem, taken = _judged(name, value, from_text=where == "environment")
                if problem:
                    problems.append(f"{_called(name, where)}: {problem}")
                else:
                    said[name] = taken
        if problems:
            raise ConfigInvalid(problems, hint=f"there are: {', '.join(_KINDS)} (docs/sdk.md)")
        return cls(**said)


_KINDS: Final[dict[str, type]] = {field.name: type(field.default) for field in fields(ClientConfig)}
_LEAST: Final = {"attempts": 1, "pool_most": 1, "breaker_failures": 1}
_MOST: Final = {"attempts": 100, "pool_most": 10_000, "retry_share": 1.0}
_MOST_ELSE: Final = 86400
_CHOICES: Final = {"balancing": ("least-loaded", "round-robin")}


def _judged(name: str, value: Any, *, from_text: bool) -> tuple[str, Any]:
    """What is wrong, and what it means."""
    kind = _KINDS.get(name)
    if kind is None:
        return "there is no such key", None
    if kind is str:
        if not isinstance(value, str):
            return "a text is wanted", None
        choices = _CHOICES.get(name)
        return (f"one of {', '.join(choices)} is wanted", None) if choices and value not in choices else ("", value)
    wanted = "a whole number" if kind is int else "a number"
    try:
        number = kind(value) if from_text else value
    except ValueError:
        return f"{wanted} is wanted", None
    if isinstance(number, bool) or not isinstance(number, int if kind is int else int | float):
        return f"{wanted} is wanted", None
    least, most = _LEAST.get(name, 0), _MOST.get(name, _MOST_ELSE)
    return ("", kind(number)) if least <= number <= most else (f"{wanted} from {least} to {most} is wanted", None)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and name != FILE_VARIABLE and value
    }


def _called(name: str, where: str) -> str:
    return f"${PREFIX}{name.upper()}" if where == "environment" else f"{name} in {where}" if where != "arguments" else name


def _file(environ: Mapping[str, str], problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The first file that is there, as a layer. One that was named must be there."""
    named = environ.get(FILE_VARIABLE)
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    places = [named] if named else [*([f"{home}/appliance/sdk.toml"] if home else []), "/etc/appliance/sdk.toml"]
    for place in map(Path, places):
        try:
            with place.open("rb") as file:
                text = file.read(MOST_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            problems.append(f"{place}: {getattr(error, 'strerror', None) or error}")
            return
        yield from _read(place, text, problems)
        return
    if named:
        problems.append(f"{named}: there is no such file (${FILE_VARIABLE})")


def _read(place: Path, text: bytes, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    import tomllib  # most clients have no file

    if len(text) > MOST_BYTES:
        problems.append(f"{place}: longer than {MOST_BYTES >> 10} KiB")
        return
    try:
        yield str(place), tomllib.loads(text.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{place}: {error}")
