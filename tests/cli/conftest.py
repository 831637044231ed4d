"""The real `appliance` command, as an admin runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.netns.throwaway import Throwaway

APPLIANCE = str(Path(sys.executable).parent / "appliance")
TIMEOUT = 60.0
"""Seconds; a command takes one, and a loaded machine forgives much."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Cli:
    """Runs `appliance` in a directory of its own; `inside` is what stands before it (nsenter …)."""

    def __init__(self, directory: Path, inside: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.inside = inside
        kept = {
            name: value
            for name, value in os.environ.items()
            if name == "APPLIANCE_SECCOMP" or not name.startswith(("APPLIANCE_", "SSH_"))
        }
        kept.pop("PYTHONUNBUFFERED", None)  # an admin's Python keeps output back until the end
        self.environ = {**kept, "NO_COLOR": "1", "STATE_DIRECTORY": str(directory / "kept")}

    def __call__(self, *words: str | Path, prefix: tuple[str, ...] = (), **environ: str) -> Ended:
        """Run it to its end."""
        run = subprocess.run(
            [*self.inside, *prefix, APPLIANCE, *map(str, words)],
            cwd=self.directory,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert "Traceback" not in run.stderr, run.stderr
        return Ended(run.returncode, run.stdout, run.stderr)

    def start(self, *words: str | Path, prefix: tuple[str, ...] = (), **environ: str) -> subprocess.Popen[str]:
        """Let it run."""
        return subprocess.Popen(
            [*self.inside, *prefix, APPLIANCE, *map(str, words)],
            cwd=self.directory,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def profile(self, text: str, name: str = "profile.yaml") -> Path:
        """Write a profile."""
        path = self.directory / name
        path.write_text(text)
        return path


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command on this host; for what needs no namespace."""
    return Cli(tmp_path)


@pytest.fixture
def namespace() -> Iterator[Throwaway]:
    """An empty network namespace with its loopback up, and no state left behind."""
    before = set(Path("/run/appliance").glob("netns-*"))
    with Throwaway() as made:
        cookie = made.run(_cookie)
        try:
            yield made
        finally:
            for directory in Path("/run/appliance").glob(f"netns-{cookie}*"):
                shutil.rmtree(directory, ignore_errors=True)
    assert f"netns-{cookie}" not in {path.name for path in before}


@pytest.fixture
def host(tmp_path: Path, namespace: Throwaway) -> Cli:
    """The command inside the namespace."""
    return Cli(tmp_path, ("nsenter", f"--net=/run/netns/{namespace.name}"))


def _cookie() -> int:
    from appliance.linux.machine import netns_cookie

    return netns_cookie()
