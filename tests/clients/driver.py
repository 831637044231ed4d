"""What a language brings to `make clients`: its tools, how its client is compiled, and a program that tells the story with it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

STORIES = Path(__file__).parent / "stories"
LONGEST = 900.0
"""Seconds that a compiler may take on a crowded machine."""


class Driver(NamedTuple):
    """One language.

    Its story is a program that gets the name of a file with what `story.Scene` has, as JSON, as its only argument, and writes one
    JSON object, what happened, to its standard output: see `story.expected`.
    """

    tools: tuple[str, ...]
    """Commands, or files by absolute path, without which it is skipped. `packaging/setup.sh clients` installs them."""
    built: Callable[[Path, Path], list[str]]
    """Gets the generated client and an empty folder to work in, compiles both, and returns the command of the story."""
    abilities: frozenset[str] = frozenset()
    """What it can do beyond what all can: `key` (sends an Idempotency-Key), `socket` (Unix), `pin` and `authority` (TLS),
    `certificate` (TLS, one of its own)."""
    program: Callable[[Path, Path, str], list[str]] | None = None
    """Gets the generated client, a folder to work in and the text of a program; compiles what is to be compiled, and returns the
    command that runs it. For quick starts; without it a test of the language's own has them."""
    slow: bool = True
    """Compiling takes longer than `make test` has: only `make clients` runs it."""

    @property
    def missing(self) -> list[str]:
        """Tools that this machine does not have."""
        return [tool for tool in self.tools if not (Path(tool).exists() if tool.startswith("/") else shutil.which(tool))]


def done(command: list[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What a command writes. Fails with all that it said if it does not end well."""
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout
