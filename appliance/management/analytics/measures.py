"""From what a node says of itself (`metrics`) to readings of series: counters become what was counted since the last reading.

A counter that begins anew (a node that was started again, another session with a peer) counts from zero, so nothing is negative
and nothing is counted twice. Totals come before what has a label: they have a place in any case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from appliance.management.analytics.document import Document, mapping, mappings, number
from appliance.management.analytics.pages import MOST_NAME
from appliance.management.analytics.series import Cell, Key, Kind, counted, level


class Metric(NamedTuple):
    """Something that is measured."""

    kind: Kind
    unit: str
    """Of its figures: "bytes", "seconds", "packets", …; of a rate, each second."""
    text: str
    """What it is, and what its label says."""


def _rate(unit: str, text: str) -> Metric:
    return Metric(Kind.RATE, unit, text)


def _level(unit: str, text: str) -> Metric:
    return Metric(Kind.LEVEL, unit, text)


METRICS: Final[Mapping[str, Metric]] = {
    "traffic.received": _rate("bytes", "inner bytes received, in all or from a peer"),
    "traffic.sent": _rate("bytes", "inner bytes sent, in all or to a peer"),
    "packets.received": _rate("packets", "inner packets received"),
    "packets.sent": _rate("packets", "inner packets sent"),
    "drops": _rate("packets", "packets dropped, in all or for a reason"),
    "sessions": _level("sessions", "sessions there are"),
    "sessions.opened": _rate("sessions", "sessions that began, in all or with a peer"),
    "peers.connected": _level("peers", "peers with a session"),
    "members": _level("members", "other members of the network, by what is known of them"),
    "round-trip": _level("seconds", "round-trip time to a peer"),
    "handshakes": _rate("handshakes", "handshakes, by what became of them"),
    "queued": _level("bytes", "bytes that wait, by traffic class"),
    "loop.longest": _level("seconds", "longest turn of the event loop within the minute before"),
    "loop.late": _rate("turns", "turns of the event loop longer than 50 ms"),
    "cpu": _rate("seconds", "CPU time used, by process"),
    "memory": _level("bytes", "resident memory, by process"),
    "descriptors": _level("descriptors", "open descriptors, by process"),
    "disk.free": _level("bytes", "room on the disk of the state folder"),
    "api.requests": _rate("requests", "requests to the API, by class of the answer"),
    "exports.sent": _rate("events", "events that the other side of an export took, by export"),
    "api.refused": _rate("requests", "requests and connections that went no further than the API server's edge, by reason"),
    "jobs": _rate("jobs", "jobs that ended, by how"),
}
"""By name. Labels are of bounded number, or of peers."""
HANDSHAKES: Final = ("initiated", "completed", "timeout", "dial-failed")
"""What is followed of them; `metrics` has all."""
FIELDS: Final = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets")
"""Counters of a session."""
OF_PEERS: Final = ("sessions.opened", "traffic.received", "traffic.sent")
OF_SESSIONS: Final = (*OF_PEERS, "packets.received", "packets.sent")
"""What is made of them, for each peer and in all: `OF_PEERS` is its beginning."""
_NOTHING: Final = (0.0,) * len(FIELDS)

Reading = tuple[Key, Kind, Cell]


class Meter:
    """Reads one node again and again. `odd` counts figures that are not numbers, or have no name that can be kept."""

    def __init__(self) -> None:
        self.odd = 0
        self._uptime: float | None = None
        self._counters: Mapping[Hashable, Any] = {}
        self._own: Mapping[Hashable, Any] = {}

    def read(
        self, document: Document, elapsed: float | None, own: Mapping[str, Mapping[str, int]] | None = None
    ) -> list[Reading]:
        """The readings of one look at a node. `elapsed`: seconds since the look before, None for the first. `own`: counters of
        this process, by metric and label."""
        uptime = number(document.get("uptime")) or 0.0
        seconds = None if self._uptime is None else elapsed
        restarted = self._uptime is not None and uptime < self._uptime
        since, ours = _Since({} if restarted else self._counters, seconds), _Since(self._own, seconds)
        found = [*self._node(document, since), *self._sessions(document, since)]
        for metric, counts in (own or {}).items():
            found += self._counts(metric, counts, ours, metric)
        self._uptime, self._counters, self._own = uptime, since.now, ours.now
        return found

    def _node(self, document: Document, since: _Since) -> Iterator[Reading]:
        yield from self._counts("drops", mapping(document, "drops"), since, "drops", whole=True)
        handshakes = mapping(document, "handshakes")
        yield from self._counts("handshakes", {name: handshakes.get(name, 0) for name in HANDSHAKES}, since, "handshakes")
        for standing, count in mapping(document, "members").items():
            yield from self._level(Key("members", standing), count)
        classes = mapping(document, "classes")
        for name in classes:
            yield from self._level(Key("queued", name), mapping(classes, name).get("queued"))
        if loop := mapping(document, "loop"):
            yield from self._level(Key("loop.longest"), loop.get("longest"))
            yield from self._counts("loop.late", {"": loop.get("late")}, since, "loop")
        for process in mappings(document, "processes"):
            name = str(process.get("name", ""))
            yield from self._counts("cpu", {name: process.get("cpu")}, since, f"cpu {process.get('pid')}")
            yield from self._level(Key("memory", name), process.get("memory"))
            if process.get("descriptors") is not None:
                yield from self._level(Key("descriptors", name), process["descriptors"])
        if disk := mapping(document, "disk"):
            yield from self._level(Key("disk.free"), disk.get("free"))

    def _sessions(self, document: Document, since: _Since) -> Iterator[Reading]:
        sessions = mappings(document, "sessions")
        peers: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * (1 + len(FIELDS)))
        trips: dict[str, float] = {}
        for session in sorted(sessions, key=lambda one: -(number(one.get("age")) or 0.0)):
            peer = str(session.get("peer", ""))
            was, now = since.session(str(session.get("session_id", "")), [number(session.get(field)) or 0.0 for field in FIELDS])
            sums = peers[peer]
            sums[0] += was is None
            for place, (before, after) in enumerate(zip(was or _NOTHING, now, strict=True), 1):
                sums[place] += after - before if after >= before else after
            if (trip := number(session.get("rtt"))) is not None:
                trips[peer] = trip  # of the youngest session
        yield from self._level(Key("sessions"), len(sessions))
        yield from self._level(Key("peers.connected"), len(peers))
        if since.seconds:
            everything = [sum(each) for each in zip(*peers.values(), strict=True)] or [0.0] * len(OF_SESSIONS)
            for metric, amount in zip(OF_SESSIONS, everything, strict=True):
                yield from self._counted(Key(metric), amount, since.seconds)
            for peer, sums in sorted(peers.items()):
                for metric, amount in zip(OF_PEERS, sums, strict=False):
                    yield from self._counted(Key(metric, peer), amount, since.seconds)
        for peer, trip in sorted(trips.items()):
            yield from self._level(Key("round-trip", peer), trip)

    def _counts(
        self, metric: str, counts: Mapping[str, Any], since: _Since, family: Hashable, *, whole: bool = False
    ) -> Iterator[Reading]:
        """What was counted under each label; `whole`: and all of it, first."""
        found = {
            label: more for label, value in counts.items() if (more := since.more((family, label), number(value))) is not None
        }
        if not since.seconds:
            return
        if whole:
            yield from self._counted(Key(metric), sum(found.values()), since.seconds)
        for label, more in found.items():
            yield from self._counted(Key(metric, label), more, since.seconds)

    def _level(self, key: Key, value: Any) -> Iterator[Reading]:
        found = number(value)
        if found is None or not self._named(key):
            self.odd += 1
            return
        try:
            yield key, Kind.LEVEL, level(found)
        except ValueError:
            self.odd += 1

    def _counted(self, key: Key, amount: float, seconds: float) -> Iterator[Reading]:
        if not self._named(key):
            self.odd += 1
            return
        try:
            yield key, Kind.RATE, counted(amount, seconds)
        except ValueError:
            self.odd += 1

    @staticmethod
    def _named(key: Key) -> bool:
        return len(key.label.encode(errors="replace")) <= MOST_NAME and key.label.isprintable()


class _Since:
    """Counters as they were at the look before, and as they are now. `seconds` between the two, None if there was none."""

    def __init__(self, before: Mapping[Hashable, Any], seconds: float | None) -> None:
        self.before, self.seconds = before, seconds
        self.now: dict[Hashable, Any] = {}

    def session(self, identity: str, counters: list[float]) -> tuple[list[float] | None, list[float]]:
        """Counters of a session at the look before and now: None before, if it has begun since. All that a first look finds was
        there before."""
        self.now["session", identity] = counters
        return counters if self.seconds is None else self.before.get(("session", identity)), counters

    def more(self, key: Hashable, value: float | None) -> float | None:
        """What was counted since; None if that cannot be said."""
        if value is None:
            return None
        self.now[key] = value
        if self.seconds is None:
            return None
        was: float = self.before.get(key, 0.0)
        return value - was if value >= was else value
