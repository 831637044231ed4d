"""What is said while a lab runs: progress in short on standard error, or the story of each step on standard output."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Protocol, TextIO

from appliance.lab.engine import Lab
from appliance.lab.probing import Result
from appliance.lab.report import Report, hosts_of, removal_sentence, sessions_table, value_text

WIDTH = 110


class Teller(Protocol):
    """Is told of each step, in this order."""

    wants_plans: bool
    """Make the plans, and tell them?"""

    def built(self, lab: Lab) -> None:
        """Hosts, wires, identities and profiles are there."""

    def planned(self, name: str, plan: str) -> None:
        """What `appliance plan` says on a host."""

    def connected(self, lab: Lab, seconds: float) -> None:
        """All sessions are there, so many seconds after the nodes were started."""

    def probed(self, result: Result) -> None:
        """One probe has ended."""

    def did(self, deed: str, sentence: str) -> None:
        """A step has changed something, or has something to say."""

    def ended(self, report: Report) -> None:
        """Everything is removed."""


class Progress:
    """One line for each step."""

    wants_plans = False

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        """`name` is that of the lab. Writes to standard error unless `stream` is given."""
        self._name = name
        self._stream = stream or sys.stderr

    def built(self, lab: Lab) -> None:
        """Say how many hosts."""
        if lab.swept:
            self._say(f"removed what killed labs left behind: {', '.join(lab.swept)}")
        self._say(f"{len(lab.hosts)} hosts built: {', '.join(lab.hosts)}")

    def planned(self, name: str, plan: str) -> None:
        """Not told."""

    def connected(self, lab: Lab, seconds: float) -> None:
        """Say how long it took."""
        self._say(f"{len(list(lab.pairs()))} pairs of peers connected after {seconds:.2f} s")

    def probed(self, result: Result) -> None:
        """Say how it went."""
        word = "ok" if result.ok else f"FAILED ({result.detail})"
        self._say(f"{result.name} {result.source} → {result.target}: {word} {value_text(result)}".rstrip())

    def did(self, deed: str, sentence: str) -> None:
        """Say it, unless it is for those who want the story."""
        if deed != "say":
            self._say(sentence)

    def ended(self, report: Report) -> None:
        """Say whether anything is left."""
        self._say(removal_sentence(report.left_behind))

    def _say(self, text: str) -> None:
        with suppress(OSError):  # a terminal that is gone stops no lab
            self._stream.write(f"lab {self._name}: {text}\n")
            self._stream.flush()


class Story:
    """What happens, and why it matters."""

    wants_plans = True

    def __init__(self, stream: TextIO | None = None) -> None:
        """Writes to standard output unless `stream` is given."""
        self._stream = stream or sys.stdout
        self._step = 0
        self._probes = 0

    def built(self, lab: Lab) -> None:
        """Introduce the hosts."""
        self._head(f"{len(lab.hosts)} hosts, each {lab.rig.describe()}")
        for wire in lab.layout.wires:
            ends = [" ".join((end.machine, *(str(address.ip) for address in end.addresses))) for end in wire.ends]
            self._say(f"{'cable' if len(ends) == 2 else 'switch'} {wire.name}: {', '.join(ends)}")
        for name, router in lab.routers.items():
            self._say(f"router {name}: {router.entry.nat}")
        if lab.definition.mesh is not None:
            self._head(
                f"one founds the network {lab.definition.mesh.label} and invites the others; each joins by its code, and runs"
            )
            return
        self._head("each makes an identity: an Ed25519 and an ML-DSA-87 key pair; peers know each other by its fingerprint")
        for host in lab.hosts.values():
            self._say(f"{host.name:8} {host.identity}")
        first = next(iter(lab.hosts.values()))
        self._head(f"each has a profile, one file for overlay and host network; here is the one of {first.name}")
        for line in first.machine.get(first.profile).decode().splitlines():
            self._say(line)

    def planned(self, name: str, plan: str) -> None:
        """What will be done to the host."""
        self._head(f"`appliance plan` on {name} shows what would change there, before anything does")
        for line in plan.strip().splitlines():
            self._say(line)

    def connected(self, lab: Lab, seconds: float) -> None:
        """What the handshakes agreed on."""
        self._head("`appliance run` on each: the plan is done and verified, the nodes shake hands (X25519 + ML-KEM-1024)")
        for line in sessions_table(hosts_of(lab)).splitlines():
            self._say(line)
        self._say(f"connected {seconds:.2f} s after the start")

    def probed(self, result: Result) -> None:
        """One line for each."""
        if not self._probes:
            self._head("what crosses the overlay")
        self._probes += 1
        word = "ok" if result.ok else "FAILED"
        direction = f"{result.source} → {result.target}"
        self._say(f"{word:6}  {result.name:18} {direction:16} {value_text(result):>14}  {result.detail}")

    def did(self, deed: str, sentence: str) -> None:
        """What is said begins a chapter."""
        self._probes += 1
        if deed == "say":
            self._head(sentence)
        else:
            self._say(sentence)

    def ended(self, report: Report) -> None:
        """The end."""
        self._head("the nodes get SIGTERM, undo what they did to their hosts, and the hosts are removed")
        if report.problem:
            self._say(f"failed: {report.problem}")
        self._say(removal_sentence(report.left_behind))
        if report.logs:
            self._say(f"the nodes' logs and profiles are kept in {report.logs}")
        self._stream.write(f"\n{'all is well' if report.ok else 'NOT all is well'}\n")
        self._stream.flush()

    def _head(self, text: str) -> None:
        self._step += 1
        self._stream.write(f"\n{self._step}. {text}\n")
        self._stream.flush()

    def _say(self, text: str) -> None:
        shown = text if len(text) <= WIDTH or not self._stream.isatty() else text[: WIDTH - 1] + "…"
        self._stream.write(f"   {shown}\n")
        self._stream.flush()
