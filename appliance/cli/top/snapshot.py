"""Two looks at a node become one snapshot with rates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from appliance.api.values import RELAY

Document = Mapping[str, Any]


class Look(NamedTuple):
    """What the node said at one moment."""

    at: float
    """Seconds, of a clock that only goes forward."""
    time: str
    """Of day, in UTC (RFC 3339)."""
    health: Document
    metrics: Document
    peers: Sequence[Document]
    jobs: Sequence[Document] | None = None
    """The newest executions; None where there is no API server, or this user may not ask it."""


def snapshot(before: Look | None, now: Look) -> dict[str, Any]:
    """A document for JSON. Rates are of the time between the two looks; null without a first one, or where the node began anew
    meanwhile."""
    metrics = now.metrics
    earlier = None if before is None or _uptime(before) > _uptime(now) else before
    seconds = None if earlier is None or now.at <= earlier.at else now.at - earlier.at
    was = {} if earlier is None else earlier.metrics
    problems = dict(now.health.get("problems") or {})
    sessions = _sessions(metrics, was, seconds)
    return {
        "time": now.time,
        "name": str(metrics.get("name", "")),
        "version": str(metrics.get("version", "")),
        "state": "degraded" if problems else "running",
        "ready": bool(now.health.get("ready")),
        "problems": problems,
        "uptime": round(_uptime(now), 1),
        "seconds": None if seconds is None else round(seconds, 2),
        "traffic": {
            "received": _sum(each["received"] for each in sessions),
            "sent": _sum(each["sent"] for each in sessions),
            "sessions": len(sessions),
        },
        "peers": _peers(now.peers, sessions),
        "drops": _drops(metrics.get("drops") or {}, was.get("drops") or {}, seconds),
        "processes": _processes(metrics.get("processes") or (), was.get("processes") or (), seconds),
        "loop": metrics.get("loop"),
        "disk": metrics.get("disk"),
        "jobs": None if now.jobs is None else [_job(each) for each in now.jobs],
    }


def _sessions(metrics: Document, was: Document, seconds: float | None) -> list[dict[str, Any]]:
    before = {each.get("session_id"): each for each in was.get("sessions") or ()}
    return [_session(each, before.get(each.get("session_id")), seconds) for each in metrics.get("sessions") or ()]


def _session(now: Document, before: Document | None, seconds: float | None) -> dict[str, Any]:
    """A session that has begun since counts from zero."""
    was = before or {}
    return {
        "peer": str(now.get("peer", "")),
        "session": str(now.get("session_id", "")),
        "suite": str(now.get("suite", "")),
        "pq": bool(now.get("pq")),
        "transport": str(now.get("transport", "")),
        "endpoint": str(now.get("endpoint", "")),
        "received": _rate(now.get("rx_bytes", 0), was.get("rx_bytes", 0), seconds),
        "sent": _rate(now.get("tx_bytes", 0), was.get("tx_bytes", 0), seconds),
        "received_bytes": int(now.get("rx_bytes", 0)),
        "sent_bytes": int(now.get("tx_bytes", 0)),
        "received_packets": int(now.get("rx_packets", 0)),
        "sent_packets": int(now.get("tx_packets", 0)),
        "rtt_ms": None if now.get("rtt") is None else round(now["rtt"] * 1000, 1),
        "age": round(float(now.get("age", 0.0)), 1),
        "idle": round(float(now.get("idle", 0.0)), 1),
        "keys": int(now.get("epoch", 0)),
        "datagram": int(now.get("datagram", 0)),
        "compression": str(now.get("compression", "off")),
    }


def _peers(peers: Iterable[Document], sessions: Iterable[Document]) -> list[dict[str, Any]]:
    """Each peer with its sessions, in the node's order; one that is known by a session only is at the end."""
    of_peer: dict[str, list[Document]] = {}
    for session in sessions:
        of_peer.setdefault(session["peer"], []).append(session)
    known = list(peers)
    names = {str(each.get("identity", "")): str(each["name"]) for each in known}
    found = [_peer(each, of_peer.pop(str(each["name"]), ()), names) for each in known]
    return found + [_peer({"name": name, "connected": True}, rest, names) for name, rest in sorted(of_peer.items())]


def _peer(peer: Document, sessions: Sequence[Document], names: Mapping[str, str]) -> dict[str, Any]:
    scheme, _, relay = str(peer.get("endpoint") or "").partition("://")
    return {
        "name": str(peer["name"]),
        "identity": str(peer.get("identity", "")),
        "origin": str(peer.get("origin", "")),
        "state": _state(peer),
        "path": peer.get("path"),
        "why": str(peer.get("why") or peer.get("not_taken") or ("" if peer.get("connected") else peer.get("last_error") or "")),
        "endpoint": str(peer.get("endpoint") or ""),
        "relay": names.get(relay, relay) if scheme == RELAY else "",
        "rtt_ms": peer.get("rtt_ms"),
        "received": _sum(each["received"] for each in sessions),
        "sent": _sum(each["sent"] for each in sessions),
        "allowed": list(peer.get("allowed") or ()),
        "expires": peer.get("expires"),
        "sessions": list(sessions),
    }


def _state(peer: Document) -> str:
    if peer.get("not_taken"):
        return "not taken"
    if peer.get("connected"):
        return "connected"
    return str(peer["standing"]) if peer.get("standing") in {"suspected", "dead", "left"} else "away"


def _drops(now: Document, was: Document, seconds: float | None) -> list[dict[str, Any]]:
    """Those that happened, the most first."""
    found = [
        {"reason": reason, "count": count, "rate": _rate(count, was.get(reason, 0), seconds)}
        for reason, count in now.items()
        if count
    ]
    return sorted(found, key=lambda each: (-(each["rate"] or 0.0), -each["count"], each["reason"]))


def _processes(now: Iterable[Document], was: Iterable[Document], seconds: float | None) -> list[dict[str, Any]]:
    """`cpu`: of one core, 1.0 is all of it."""
    before = {each.get("pid"): each for each in was}
    return [
        {
            "name": str(each.get("name", "")),
            "pid": each.get("pid"),
            "cpu": _rate(each.get("cpu", 0.0), before[each["pid"]]["cpu"], seconds) if each.get("pid") in before else None,
            "memory": each.get("memory"),
            "descriptors": each.get("descriptors"),
            "most_descriptors": each.get("most_descriptors"),
            "waited": each.get("waited"),
        }
        for each in now
    ]


def _job(job: Document) -> dict[str, Any]:
    progress = job.get("progress") or {}
    return {
        "id": str(job.get("id", "")),
        "template": str(job.get("template", "")),
        "state": str(job.get("state", "")),
        "by": str(job.get("by", "")),
        "created": job.get("created"),
        "ended": job.get("ended"),
        "done": progress.get("done", 0),
        "of": progress.get("of", 0),
        "error": str((job.get("error") or {}).get("message") or ""),
    }


def _rate(now: float, was: float, seconds: float | None) -> float | None:
    """A second; of a counter that began anew what it counted since."""
    if not seconds:
        return None
    return round((now - was if now >= was else now) / seconds, 3)


def _sum(rates: Iterable[float | None]) -> float | None:
    """None if one of them is not known. Of none it is zero."""
    found = list(rates)
    return None if None in found else round(sum(each for each in found if each is not None), 3)


def _uptime(look: Look) -> float:
    return float(look.metrics.get("uptime") or 0.0)
