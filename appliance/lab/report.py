"""The results of a lab: one JSON document, or tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.lab.engine import Lab
from appliance.lab.probing import Result

_SESSION_KEYS = ("peer", "session", "suite", "pq", "transport", "endpoint", "rx_bytes", "tx_bytes", "rtt_ms", "epoch")


@dataclass(slots=True)
class Report:
    """Is filled while the lab runs."""

    lab: str
    """Its name."""
    hosts: list[dict[str, Any]] = field(default_factory=list)
    """What `hosts_of` gives."""
    results: list[Result] = field(default_factory=list)
    seconds_to_sessions: float | None = None
    """From the start of the nodes until all sessions were there; None if they never were."""
    problem: str = ""
    """Why the lab ended early; empty if it did not."""
    left_behind: list[str] = field(default_factory=list)
    """What could not be removed, in words."""
    logs: str | None = None
    """The directory with the logs after a failure; None if all went well."""

    @property
    def ok(self) -> bool:
        """Did every probe succeed, and is nothing left behind?"""
        return not self.problem and not self.left_behind and all(result.ok for result in self.results)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "lab": self.lab,
            "ok": self.ok,
            "problem": self.problem or None,
            "seconds_to_sessions": self.seconds_to_sessions,
            "hosts": self.hosts,
            "probes": [result.document() for result in self.results],
            "left_behind": self.left_behind,
            "logs": self.logs,
        }

    def text(self) -> str:
        """The form for people."""
        parts = [sessions_table(self.hosts), results_table(self.results)]
        if self.problem:
            parts.append(f"failed: {self.problem}")
        parts.append(removal_sentence(self.left_behind))
        if self.logs:
            parts.append(f"the nodes' logs and profiles are kept in {self.logs}")
        failed = sum(not result.ok for result in self.results)
        parts.append(f"lab {self.lab}: {'ok' if self.ok else f'NOT ok, {failed} of {len(self.results)} probes failed'}")
        return "\n\n".join(part for part in parts if part)


def hosts_of(lab: Lab) -> list[dict[str, Any]]:
    """Each host, with its identity and what its node says about its sessions."""
    described = []
    for host in lab.hosts.values():
        told = host.sessions() if host.runs else {}  # a step may have killed it
        sessions = [{key: session.get(key) for key in _SESSION_KEYS} for session in told.values()]
        described.append(
            {
                "name": host.name,
                "machine": host.machine.place,
                "identity": host.identity,
                "addresses": [str(address) for address in host.addresses],
                "sessions": sessions,
            }
        )
    return described


def sessions_table(hosts: Sequence[dict[str, Any]]) -> str:
    """Who speaks to whom, and how it is protected."""
    rows = [
        (host["name"], session["peer"], str(session["suite"]), "yes" if session["pq"] else "NO", str(session["endpoint"] or ""))
        for host in hosts
        for session in host["sessions"]
    ]
    return columns(("host", "peer", "suite", "post-quantum", "endpoint"), rows) if rows else ""


def results_table(results: Sequence[Result]) -> str:
    """A line a probe."""
    rows = [
        (each.name, f"{each.source} → {each.target}", "ok" if each.ok else "FAILED", value_text(each), each.detail)
        for each in results
    ]
    return columns(("probe", "direction", "", "value", ""), rows) if rows else ""


def value_text(result: Result) -> str:
    """`4.2 Gbit/s`, `0.45 ms`; "" if the result has no value."""
    if result.value is None:
        return ""
    if result.unit == "Mbit/s" and result.value >= 1000:
        return f"{result.value / 1000:.2f} Gbit/s"
    return f"{result.value:g} {result.unit}".strip()


def removal_sentence(left_behind: Sequence[str]) -> str:
    """What is left behind, or that nothing is."""
    if left_behind:
        return f"LEFT BEHIND: {', '.join(left_behind)}"
    return "removed and looked for again: no namespace, interface, process or directory of this lab is left"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be, the head in capitals."""
    lines = [[cell.upper() for cell in head], *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
