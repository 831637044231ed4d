"""Every operation of an admin on a real node, again and again, and how long each took.

The lab is a pair; operations are done at its left end. A round does each of them, and leaves a node that runs.
"""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Final, NamedTuple

from appliance.lab.engine import Lab
from appliance.lab.host import Host
from tests.perf.bench.probes import percentile
from tests.rigs.labs import kill_daemon

MOST_SECONDS: Final = 5.0
"""What an operation may take."""
MTUS: Final = (1300, 1350, 1400)
"""Three, since a rollback leaves the node with another than the profile."""
LEFT_OUT: Final = frozenset(
    {
        *("events", "lab", "plugin new", "plugin check", "plugin install", "plugin uninstall"),
        *("join", "leave", "network invite", "network invitations", "netcheck"),
        *("peers block", "peers unblock", "peers scores"),
        *("connect", "serve", "tunnel", "proxy", "send", "receive"),
        *("publish", "subscribe", "topics"),
        *("service register", "service watch", "mesh peers", "mesh chat"),
        *("compat", "validate", "generate-client", "mock-server", "templates check", "debug profile", "debug trace"),
        *("rendezvous register", "rendezvous unregister", "rendezvous find", "rendezvous list"),
        *("load", "shell"),
        *("dht put", "dht get", "dht provide", "dht providers", "dht find", "dht nodes", "dht add", "dht remove"),
        *("api", "audit show", "audit verify", "audit export", "audit heads"),
        *("store stats", "store check", "store backup", "store restore", "store rewrap", "store rotate"),
    }
)
"""Commands that do nothing to a node, and last as long as what they follow, build, try or carry; and those of a node that is a
member of a network, looks for direct paths, or has an API server or an audit log, which this one does not
(tests/netns/test_joining.py, tests/netns/test_scores.py,
tests/netns/test_management.py, tests/cli/test_audit.py, tests/unit/cli/test_store.py)."""
EVENTUALLY: Final = 30.0
"""Seconds after which something has gone wrong, which is another matter than being slow."""


class Took(NamedTuple):
    """How long an operation took, in seconds, over `times` times."""

    operation: str
    times: int
    p50: float
    p99: float
    slowest: float


class Operations:
    """The operations of one node and their durations in seconds, by name. Raises LabFailure when one does not work."""

    def __init__(self, lab: Lab) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._lab = lab
        self._left: Host = lab.host("left")
        self._mtus = cycle(MTUS)
        self._mtu = 0

    async def round(self) -> None:
        """Each operation once."""
        profile, folder = self._left.profile, self._left.directory
        await self._command("version")
        await self._command("schema")
        await self._command("completion")
        await self._command("check", profile)
        await self._command("config show", profile)
        await self._command("plugins")
        await self._command("doctor", profile)
        await self._command("status")
        await self._command("peers")
        await self._command("health")
        await self._command("top", "--once")
        await self._command("service list")
        await self._command("debug memory")
        await self._command("templates list")
        await self._command("templates show", "health-check")
        await self._command("discover")
        await self._command("ping", "right", "--count", "1")
        await self._command("plan", profile)
        await self._command("init", _fresh(folder / "starter.yaml"))
        await self._command("keys new", _fresh(folder / "spare"))
        await self._command("keys show", folder / "spare")
        await self._network(folder)
        self._change()
        await self._command("apply", profile)
        self._change()
        await self._command("apply", profile, "--confirm-within", "1min", name="apply --confirm-within")
        await self._command("confirm")
        self._change()
        await self._command("apply", profile, "--confirm-within", "1min", name="apply --confirm-within")
        await self._command("rollback")
        self._change()
        await self._timed("reload by SIGHUP", self._reload)
        await self._timed("stop by SIGTERM", self._stop)
        await self._command("apply", profile, name="apply without a daemon")
        await self._command("rollback", name="rollback without a daemon")
        await self._timed("run until the sessions are there", self._start)
        await self._timed("stop", self._told_to_stop)
        await self._start()

    async def _network(self, folder: Path) -> None:
        """What the owner of a network does by files."""
        key, statements = _fresh(folder / "owner.key"), _fresh(folder / "statements")
        shutil.rmtree(f"{self._left.state_dir}.kept/mesh-home", ignore_errors=True)
        for name in ("first", "second"):
            await self._command("keys new", _fresh(folder / name))
            await self._command("network request", "--identity", folder / name, "--output", _fresh(folder / f"{name}.request"))
        words = ("home", "--name", "first", "--identity", folder / "first", "--owner-key", key)
        await self._command("network new", *words, "--profile", _fresh(folder / "member.yaml"))
        signing = ("--key", key)
        await self._command("network sign", folder / "second.request", "--name", "second", *signing)
        await self._command("network issuer", folder / "second.request", *signing)
        await self._command("network renew", "second", *signing)
        await self._command("network show")
        await self._command("network members")
        await self._command("network revoke", "second", *signing)
        await self._command("network export", "--output", statements)
        await self._command("network import", statements)

    def took(self) -> list[Took]:
        """The durations so far, slowest operation first."""
        found = [
            Took(name, len(all_), percentile(all_, 0.5), percentile(all_, 0.99), all_[-1])
            for name, all_ in ((name, sorted(seconds)) for name, seconds in self.seconds.items())
        ]
        return sorted(found, key=lambda took: -took.p99)

    def _change(self) -> None:
        """The profile says something else than before."""
        self._mtu = next(self._mtus)
        text, count = re.subn(r"mtu: \d+", f"mtu: {self._mtu}", self._left.profile.read_text())
        assert count == 1
        self._left.profile.write_text(text)

    async def _command(self, words: str, *more: str | Path, name: str = "") -> None:
        async def deed() -> None:
            (await self._left.appliance(*words.split(), *more)).must_work()

        await self._timed(name or words, deed)

    async def _timed(self, name: str, deed: Callable[[], Awaitable[None]]) -> None:
        begun = time.monotonic()
        await deed()
        self.seconds.setdefault(name, []).append(time.monotonic() - begun)

    async def _reload(self) -> None:
        kill_daemon(self._left, signal.SIGHUP)
        await self._lab.until(lambda: (self._left.status() or {})["interface"].get("mtu") == self._mtu, EVENTUALLY)

    async def _stop(self) -> None:
        assert await self._left.stop() == 0, self._left.log_tail()

    async def _told_to_stop(self) -> None:
        (await self._left.appliance("stop")).must_work()
        await self._stop()  # it has ended already

    async def _start(self) -> None:
        self._left.start()
        await self._lab.wait_for_sessions(EVENTUALLY)


def _fresh(path: Path) -> Path:
    with suppress(FileNotFoundError):
        path.unlink()
    return path
