#!/usr/bin/env python3
"""Streams, tunnels and the proxy beside ssh, socat and plain TCP through the same overlay, in one run (root only).

usage: .venv/bin/python -m tests.perf.streams [--rounds N] [--seconds S] [--json]

Two hosts on one wire; contenders take turns. `CPU s/GB` is what both nodes, their workers and the programs in between used
(ssh and sshd, tunnel, proxy), without the sending and the taking program. ssh goes over the wire and encrypts by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.netns.daemons import Host, pair

PUMP = Path(__file__).with_name("pump.py")
TICKS = os.sysconf("SC_CLK_TCK")
PORT = 9000
TUNNELLED, SSH_TUNNELLED, SOCAT, PROXY, SSH_PROXY = 9001, 9002, 9003, 9004, 9005
SSH_OPTIONS = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", "2222")
BARS = (
    ("stream, blocking", "overlay", 0.9),
    ("stream, sdk", "overlay", 0.9),
    ("tunnel", "ssh -L", 1.5),
    ("proxy", "ssh -D", 1.3),
)
OPEN_P99_MS = 15.0


class Rig:
    """Two hosts with their nodes, and all that stands between."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.one, self.two = stack.enter_context(pair(folder))
        self._stack = stack
        self._between: list[int] = []
        for host in (self.one, self.two):
            host.start()
        for at in ("10.8.0.1", "127.0.0.1", "192.0.2.1"):
            self.runs(self.one, sys.executable, str(PUMP), "take", at, str(PORT))
        self.runs(self.one, sys.executable, str(PUMP), "serve", "pump")
        appliance = (sys.executable, "-P", "-m", "appliance.cli")
        self.runs(self.two, *appliance, "tunnel", "other", str(PORT), "--listen", str(TUNNELLED))
        self.runs(self.two, *appliance, "proxy", "--listen", str(PROXY))
        self.runs(self.two, "socat", f"TCP-LISTEN:{SOCAT},bind=127.0.0.1,fork,reuseaddr", f"TCP:10.8.0.1:{PORT}", says=False)
        self._ssh(folder)

    def runs(self, host: Host, *command: str, says: bool = True) -> subprocess.Popen[bytes]:
        """Start something that runs until the end; it is ready when it has said something."""
        environment = os.environ | {"PYTHONPATH": str(PUMP.parents[2])}
        running = subprocess.Popen([*host.entering, *command], stdout=subprocess.PIPE, env=environment)
        self._stack.callback(running.wait)
        self._stack.callback(running.terminate)
        assert running.stdout is not None
        if says:
            assert running.stdout.readline()
        if command[-1] != "take" and "take" not in command and "serve" not in command:
            self._between.append(running.pid)
        return running

    def _ssh(self, folder: Path) -> None:
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        (folder / "user.pub").rename(folder / "authorized")
        config = (
            f"Port 2222\nListenAddress 192.0.2.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            f"StrictModes no\nPidFile none\nPermitRootLogin yes\nUsePAM no\n"
        )
        (folder / "sshd_config").write_text(config)
        Path("/run/sshd").mkdir(exist_ok=True)
        self.runs(self.one, "/usr/sbin/sshd", "-D", "-f", str(folder / "sshd_config"), says=False)
        forwards = ("-L", f"{SSH_TUNNELLED}:127.0.0.1:{PORT}", "-D", str(SSH_PROXY))
        command = (
            "ssh",
            *SSH_OPTIONS,
            "-i",
            str(folder / "user"),
            *forwards,
            "root@192.0.2.1",
            "echo ready; exec sleep infinity",
        )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                self.runs(self.two, *command)
            except AssertionError:
                time.sleep(0.2)
            else:
                return
        raise SystemExit("ssh does not connect")

    def cpu(self) -> float:
        """Seconds that both nodes and everything between used so far."""
        assert self.one.process is not None
        assert self.two.process is not None
        return sum(_cpu(pid) for root in (self.one.process.pid, self.two.process.pid, *self._between) for pid in _family(root))

    def pump(self, *words: str) -> Any:
        """What the pump of the second host prints."""
        environment = os.environ | {"PYTHONPATH": str(PUMP.parents[2])}
        done = subprocess.run(
            [*self.two.entering, sys.executable, str(PUMP), *words], capture_output=True, text=True, check=True, env=environment
        )
        return json.loads(done.stdout)


def contenders(seconds: float) -> dict[str, tuple[str, ...]]:
    """The pump's words for each."""
    local = ("send", "127.0.0.1")
    return {
        "wire": ("send", "192.0.2.1", str(PORT), str(seconds)),
        "overlay": ("send", "10.8.0.1", str(PORT), str(seconds)),
        "stream, blocking": ("blocking", "other", "pump", str(seconds)),
        "stream, sdk": ("sdk", "other", "pump", str(seconds)),
        "tunnel": (*local, str(TUNNELLED), str(seconds)),
        "ssh -L": (*local, str(SSH_TUNNELLED), str(seconds)),
        "socat": (*local, str(SOCAT), str(seconds)),
        "proxy": ("send", "10.8.0.1", str(PORT), str(seconds), f"127.0.0.1:{PROXY}"),
        "ssh -D": ("send", "127.0.0.1", str(PORT), str(seconds), f"127.0.0.1:{SSH_PROXY}"),
    }


def measure(rig: Rig, rounds: int, seconds: float) -> dict[str, Any]:
    """Medians over the rounds; contenders take turns."""
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, words in contenders(seconds).items():
            before = rig.cpu()
            rate = rig.pump(*words)
            used = rig.cpu() - before
            found.setdefault(name, []).append((rate, used / (rate * seconds / 8e9)))
    opening = sorted(rig.pump("open", "other", "pump", "300"))
    return {
        "contenders": {
            name: {
                "gbit_s": round(statistics.median(rate for rate, _ in rows) / 1e9, 3),
                "cpu_s_gb": round(statistics.median(cpu for _, cpu in rows), 2),
            }
            for name, rows in found.items()
        },
        "open_ms": {"median": round(opening[150], 2), "p99": round(opening[-3], 2)},
    }


def table(figures: dict[str, Any]) -> str:
    """For people."""
    rows = figures["contenders"]
    lines = [f"{'':18}  Gbit/s  CPU s/GB"]
    lines += [f"{name:18}  {row['gbit_s']:6.2f}  {row['cpu_s_gb']:8.2f}" for name, row in rows.items()]
    for name, other, bar in BARS:
        ratio = rows[name]["gbit_s"] / rows[other]["gbit_s"]
        cpu = rows[name]["cpu_s_gb"] / max(0.01, rows[other]["cpu_s_gb"])
        lines.append(f"{name} beside {other}: {ratio:.2f} of its speed (bar {bar}), {cpu:.2f} of its CPU a GB")
    lines.append(
        f"opening a stream: median {figures['open_ms']['median']} ms, p99 {figures['open_ms']['p99']} ms (bar {OPEN_P99_MS:g})"
    )
    return "\n".join(lines)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def built() -> Iterator[Rig]:
    """The rig, until it is not needed any more."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Rig(Path(folder), stack)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with built() as rig:
        figures = measure(rig, options.rounds, options.seconds)
    shown: Callable[[dict[str, Any]], str] = table
    print(json.dumps(figures, indent=1) if options.json else shown(figures))


if __name__ == "__main__":
    main()
