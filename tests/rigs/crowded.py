"""A real node with many peers, and the crowd that calls it: two namespaces, two processes of the node, one of the crowd.

with Crowded(tmp_path, sessions=50, peers=200) as crowded:
    crowded.connect();  crowded.status();  crowded.usage()
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from base64 import b32encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Self

from appliance.control import client
from appliance.errors import ExitCode
from appliance.lab import processes
from appliance.protocol.identity import PREFIX, Identity
from tests.netns.throwaway import Throwaway
from tests.rigs import strangers
from tests.rigs.crowd import identity_of

ROOT = Path(__file__).resolve().parents[2]
SITES = 16
"""/24 networks that the crowd calls from, so that no site's share of the handshakes is the bound."""
ATTACKER = "10.77.200.1"
READY = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """One process."""

    pss: int
    """Proportional memory in bytes. It changes when others that have the same pages come and go."""
    rss: int
    """Resident memory in bytes."""
    own: int
    """Of it, what is from no file: what grows with what the process keeps."""
    cpu: float
    """Seconds since its start, with those of its children that have ended."""
    descriptors: int
    """That are open."""


class Crowded:
    """The node at 10.77.255.1 and `sessions` callers, which take turns at its transports (`transport`, comma-separated). `peers`
    are configured in all, each with what `more` says; `rate` limits its handshakes a second. `protocols`: settings of the peer
    protocols of examples/plugins that it speaks, by name."""

    def __init__(
        self,
        folder: Path,
        *,
        sessions: int,
        peers: int = 0,
        transport: str = "udp",
        rate: int = 1000,
        limit: int = 0,
        more: str = "",
        protocols: Mapping[str, Any] | None = None,
    ) -> None:
        self.sessions = sessions
        self.peers = max(peers, sessions)
        self.start_seconds = 0.0
        self._folder = folder
        self._listen = [f"{each}://10.77.255.1:8443" for each in transport.split(",")]
        self._rate = rate
        self._limit = limit or max(1000, sessions)
        self._more = more
        self._protocols = protocols or {}
        self._identity = Identity.from_seeds(bytes(32), bytes(32))
        self._stack = ExitStack()
        self._here, self._there = Throwaway(), Throwaway()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._here)
            stack.enter_context(self._there)
            self._wire()
            self._start_node(stack)
            self._start_crowd(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    # ---- the crowd ----

    def connect(self) -> dict[str, float]:
        """Let all call; `connected`, `seconds` it took and `cpu` seconds the crowd used."""
        return self._ask("connect")

    def connected(self) -> int:
        """How many of the crowd have a session."""
        return int(self._ask("count")["connected"])

    def echo(self, count: int) -> dict[str, float]:
        """Let all send so many echoes to the node, all at the same time: how many were `answered`, how many were `wrong`."""
        return self._ask(f"echo {count}")

    def live(self, count: int, seconds: float) -> dict[str, Any]:
        """Let who has a session send echoes for so long and the next `count` call meanwhile (see `live` of the crowd)."""
        return self._ask(f"live {count} {seconds}", seconds)

    def harass(self, seed: int, count: int) -> dict[str, Any]:
        """Let the last of the crowd send so much garbage while the others send echoes (see `harass` of the crowd)."""
        return self._ask(f"harass {seed} {count}", count / 500)

    def talk(self, count: int) -> dict[str, Any]:
        """Let the last of the crowd send so many requests at once while the others send echoes (see `talk` of the crowd)."""
        return self._ask(f"talk {count}", count / 500)

    @contextmanager
    def flood(self, seconds: float, hellos: int, connects: int, kind: str = "hellos") -> Iterator[subprocess.Popen[str]]:
        """A flood of so many a second beside the crowd, over at the end at the latest. It prints what it did."""
        words = [ATTACKER, "10.77.255.1", "8443", str(seconds), str(hellos), str(connects), kind]
        command = [*self._inside(self._there), sys.executable, "-m", "tests.rigs.flood", *words]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            _end(process)

    def leave(self) -> None:
        """Let the whole crowd say goodbye and end."""
        assert self._crowd.stdin is not None
        self._crowd.stdin.write("close\n")
        self._crowd.stdin.flush()
        self._crowd.wait(30)

    def again(self) -> None:
        """Another crowd of the same peers, after `leave`."""
        self._start_crowd(self._stack)

    # ---- the node ----

    def status(self) -> dict[str, Any]:
        """The status document."""
        document: dict[str, Any] = json.loads(self.command("status", "--json"))
        return document

    def asked(self) -> float:
        """Ask for the status over the control socket; seconds until the answer is there."""
        begun = time.monotonic()
        self._here.run(client.call, "status")
        return time.monotonic() - begun

    def command(self, *words: str) -> str:
        """Run `appliance WORDS` at the node."""
        command = [*self._inside(self._here), sys.executable, "-P", "-m", "appliance.cli", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def plan(self) -> tuple[float, float]:
        """Plan the profile anew: seconds, and CPU seconds."""
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [*self._inside(self._here), sys.executable, "-P", "-m", "appliance.cli", "plan", str(self._profile), "--json"]
        assert subprocess.run(command, check=False, capture_output=True).returncode in {ExitCode.OK, ExitCode.CHANGES_PENDING}
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def reload(self, *, without: int = 0) -> float:
        """Take the last `without` peers away and apply; seconds until the answer is there."""
        self._write(self.peers - without)
        begun = time.monotonic()
        self.command("apply", str(self._profile), "--json")
        return time.monotonic() - begun

    def usage(self) -> dict[str, Usage]:
        """What the node's processes use: "control" and "worker"."""
        return {role: _usage(pid) for role, pid in self.pids().items()}

    def pids(self) -> dict[str, int]:
        """Process numbers by role. Another child of the control process comes and goes, and has none."""
        inode = Path(f"/run/netns/{self._here.name}").stat().st_ino
        workers = processes.find(lambda entry: (entry / "ns/net").stat().st_ino == inode and _is_worker(entry))
        return {"control": self._node.pid, **({"worker": workers[0]} if workers else {})}

    # ---- how it is put together ----

    @property
    def _profile(self) -> Path:
        return self._folder / "node.yaml"

    def _wire(self) -> None:
        self._here.sh(f"ip link add wire type veth peer name wire netns {self._there.name}")
        self._here.sh(f"ip addr add 10.77.255.1/16 dev wire; ip link set wire up; ip route add 198.18.0.0/15 via {ATTACKER}")
        sources = "; ".join(f"ip addr add {source}/16 dev wire" for source in [*self._sources(), ATTACKER])
        self._there.sh(f"{sources}; ip link set wire up; until ip route get 10.77.255.1 >/dev/null; do :; done")

    @staticmethod
    def _sources() -> list[str]:
        return [f"10.77.{site}.1" for site in range(SITES)]

    def _write(self, peers: int) -> None:
        lines = [
            "profile: 1",
            "name: crowded",
            f"server: {{identity: file:node.key, listen: {self._listen}}}",
            "network: {interface: llp0, addresses: [10.64.0.1/10]}",
            f"limits: {{sessions: {self._limit}, handshakes_per_second: {self._rate}}}",
            f"plugins: [{', '.join(['transport-ip', 'crypto-standard', 'routing-static', *self._protocols])}]",
            f"protocols: {json.dumps(self._protocols)}",
            "peers:",
        ]
        for number in range(peers):
            fingerprint = self._fingerprint(number)
            inner = f"10.{65 + (number >> 16)}.{number >> 8 & 255}.{number & 255}/32"
            lines.append(f"  - {{name: peer-{number}, identity: '{fingerprint}', allowed: [{inner}]{self._more}}}")
        self._profile.write_text("\n".join(lines) + "\n")

    def _fingerprint(self, number: int) -> str:
        if number < self.sessions:
            return self._callers[number]
        return fingerprint_of(number)

    def _start_node(self, stack: ExitStack) -> None:
        self._callers = [identity_of(number).fingerprint for number in range(self.sessions)]
        key = self._folder / "node.key"
        key.touch(0o600)
        key.write_bytes(self._identity.to_pem())
        self._write(self.peers)
        begun = time.monotonic()
        command = [*self._inside(self._here), sys.executable, "-P", "-m", "appliance.cli", "run", str(self._profile)]
        environ = dict(os.environ)
        for name in self._protocols:
            environ |= strangers.known(name, self._folder / "environment")
        log = stack.enter_context((self._folder / "node.log").open("wb", buffering=0))
        self._node = node = subprocess.Popen(command, stderr=log, env=environ)
        stack.callback(_end, node)
        while b'"event": "ready"' not in (said := (self._folder / "node.log").read_bytes()):
            assert node.poll() is None, said[-2000:]
            assert time.monotonic() - begun < READY, said[-2000:]
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - begun

    def _start_crowd(self, stack: ExitStack) -> None:
        words = [",".join(self._listen), self._identity.fingerprint, str(self.sessions), ",".join(self._sources())]
        command = [*self._inside(self._there), sys.executable, "-m", "tests.rigs.crowd", *words]
        self._crowd = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(_end, self._crowd)
        self._heard()

    def _ask(self, word: str, seconds: float = 0.0) -> dict[str, Any]:
        assert self._crowd.stdin is not None
        self._crowd.stdin.write(word + "\n")
        self._crowd.stdin.flush()
        return self._heard(seconds)

    def _heard(self, seconds: float = 0.0) -> dict[str, Any]:
        assert self._crowd.stdout is not None
        assert select.select([self._crowd.stdout], [], [], READY + seconds)[0], "the crowd is silent"
        answer: dict[str, Any] = json.loads(self._crowd.stdout.readline())
        return answer

    @staticmethod
    def _inside(namespace: Throwaway) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{namespace.name}"]


def fingerprint_of(number: int) -> str:
    """The identity of a peer that is nobody's."""
    return PREFIX + b32encode(sha256(b"%d" % number).digest()).decode().rstrip("=").lower()


def _is_worker(process: Path) -> bool:
    return b"appliance.worker" in (process / "cmdline").read_bytes()


def _usage(pid: int) -> Usage:
    process = Path(f"/proc/{pid}")
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE))
    pss, rss, anonymous, shared = (int(memory[noun]) * 1024 for noun in ("Pss", "Rss", "Anonymous", "Pss_Shmem"))
    fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
    cpu = sum(map(int, fields[11:15])) / TICKS
    return Usage(pss, rss, anonymous + shared, cpu, len(list((process / "fd").iterdir())))


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
