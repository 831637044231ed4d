"""A PostgreSQL server of a test's own, in a folder of its own, that listens at a Unix socket there and nowhere else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60.0
INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
SMALL = {"shared_buffers": "16MB", "max_connections": "60", "autovacuum_naptime": "5s", "log_min_messages": "warning"}


class Cluster:
    """`start` it; `stop`, `kill` and `start` it again as you like."""

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._options = {**SMALL, "listen_addresses": "", **options, "unix_socket_directories": str(folder)}
        self._at = ("-h", str(folder), "-p", self._options.get("port", "5432"))
        self._running: subprocess.Popen[bytes] | None = None
        self._bin = INSTALLED[-1].parent
        self._data.mkdir()
        if os.geteuid() == 0:
            for path in (folder, self._data):
                shutil.chown(path, "postgres", "postgres")
        self._run("initdb", "-N", "-A", "trust", "-U", "owner", "--no-locale", "-E", "UTF8", "-D", self._data)

    def write(self, name: str, content: str, *, more: bool = False) -> Path:
        """A file of the server's, which nobody else reads. `more`: at the end of what is there."""
        path = self._data / name
        with path.open("a" if more else "w") as file:
            file.write(content)
        path.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
        return path

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a profile would say."""
        return {"host": str(self.folder), "user": "owner", "database": "postgres", **more}

    def start(self) -> None:
        """Returns when it takes connections."""
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        words = [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
        with log.open("wb") as out:
            self._running = subprocess.Popen(
                [*self._as_user(), self._bin / "postgres", "-D", self._data, *words], stdout=out, stderr=out
            )
        end = time.monotonic() + SECONDS
        while subprocess.run([self._bin / "pg_isready", "-q", "-U", "owner", *self._at], check=False).returncode:
            assert self._running.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """As an admin restarts it: connections are ended, what was committed is kept."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As a host that loses its power, but for the disk's cache."""
        self._end(signal.SIGQUIT)

    def run(self, sql: str) -> str:
        """What psql says to it."""
        return self._run("psql", "-qAt", *self._at, "-U", "owner", "-d", "postgres", "-c", sql)

    def close(self) -> None:
        """End."""
        if self._running is not None:
            self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.send_signal(number)
        self._running.wait(SECONDS)
        self._running = None

    def _run(self, program: str, *arguments: str | Path) -> str:
        return subprocess.run(
            [*self._as_user(), self._bin / program, *arguments], check=True, capture_output=True, text=True, cwd=self.folder
        ).stdout.strip()

    def _as_user(self) -> tuple[str, ...]:
        root = os.geteuid() == 0
        return ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--") if root else ()


@contextmanager
def cluster(prepare: Callable[[Cluster], object] = lambda _: None, **options: str) -> Iterator[Cluster]:
    """A running server; skips the test where PostgreSQL is not installed. `prepare` has it before it runs. `options`: by default
    nothing waits for the disk."""
    if not INSTALLED:
        pytest.skip("no PostgreSQL here (Debian package postgresql)")
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:  # short: a socket's path has 107 bytes
        Path(folder).chmod(0o755)
        made = Cluster(Path(folder), **(options or QUICK))
        prepare(made)
        try:
            made.start()
            yield made
        finally:
            made.close()
