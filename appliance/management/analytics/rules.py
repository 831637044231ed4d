"""When a figure is worth a word, what is said, and what to do: the same for the watch over time and for `appliance doctor`.

Some rules need nothing but what a node says of itself now (`limits`), or twice (`between`); the others need what is usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from appliance.management.analytics.document import Document, mapping, mappings, number

LOOP_SLOW: Final = 0.25
"""Seconds of one turn: a handshake that has to wait for so long comes twice."""
START: Final = 120.0
"""Seconds after a node's start in which long turns say nothing."""
DISK_SHARE: Final = 0.05
"""Of the disk, free: less is too little."""
DISK_BYTES: Final = 16 << 20
"""So much free is enough for a state folder on any disk."""
DESCRIPTORS_SHARE: Final = 0.8
"""Of the descriptors that a process may have: more is too near."""
CERTIFICATE_PART: Final = 6
"""A member's certificate is renewed in the last third of its time; in the last sixth that has failed for long."""
DROPS_FACTOR: Final = 3.0
DROPS_LEAST: Final = 1.0
"""Drops rise if they are three times the usual, and one a second more."""

REMEDIES: Final[Mapping[str, str]] = {
    "drops-rising": 'docs/troubleshooting.md, "Drops by reason", tells what the reason means and what to do',
    "session-flapping": "look at the path to that peer (appliance peers), and at both nodes' logs: one may start again and again",
    "round-trip-doubled": "see which path the session takes now (appliance peers), and what else uses that line",
    "clock-jump": "see who sets this host's clock (chronyc tracking, timedatectl): certificates and tokens are judged by it",
    "disk-filling": "make room on the disk of the state folder, or give the folder another place (APPLIANCE_STATE_DIR)",
    "loop-slow": "see what takes so long: appliance debug profile; a plugin or too busy a host may be why",
    "descriptors-few": "raise LimitNOFILE of the service, or see what is open: appliance debug memory",
    "certificate-ends": "see why it is not renewed: appliance network show; a person may: appliance network renew NAME",
    "host-short": "see what takes it: appliance top; until then strangers are turned away (limits.pressure in the profile)",
    "api-failing": "look for errors in the API server's log",
}
"""What to do, by rule."""


class Excess(NamedTuple):
    """Something beyond its limit at one moment."""

    rule: str
    label: str
    """Which of several: a peer, a reason, a process; "" if there is one only."""
    value: float
    reason: str
    """A sentence with the figures in it, without a dot."""


def limits(document: Document, now: float) -> Iterator[Excess]:
    """What is beyond a limit, by what a node says of itself (`metrics`). `now`: Unix seconds."""
    longest = _of(mapping(document, "loop"), "longest")
    if longest > LOOP_SLOW and _of(document, "uptime") > START:
        yield Excess(
            "loop-slow",
            "",
            longest,
            f"a turn of the event loop took {longest:.2f} s within the last minute; {LOOP_SLOW} s is long",
        )
    for process in mappings(document, "processes"):
        most, used = _of(process, "most_descriptors"), _of(process, "descriptors")
        if most and used > DESCRIPTORS_SHARE * most:
            name = str(process.get("name"))
            yield Excess("descriptors-few", name, used, f"process {name} has {used:.0f} of {most:.0f} descriptors open")
    disk = mapping(document, "disk")
    total, free = _of(disk, "total"), _of(disk, "free")
    if total and free < min(DISK_SHARE * total, DISK_BYTES):
        yield Excess("disk-filling", "", free, f"{size(free)} of {size(total)} are free for the state folder")
    short = mapping(document, "short")
    for name in sorted(short):
        yield Excess("host-short", name, 1.0, f"short of {name}: {short[name]}")
    yield from _certificate(mapping(document, "certificate"), now)


def _certificate(certificate: Document, now: float) -> Iterator[Excess]:
    begins, ends = _of(certificate, "not_before"), _of(certificate, "not_after")
    left = ends - now
    if ends > begins and left * CERTIFICATE_PART < ends - begins:
        word = f"ends in {duration(left)}" if left > 0 else f"ended {duration(-left)} ago"
        yield Excess("certificate-ends", "", left, f"this node's certificate {word} and was not renewed")


def between(before: Document, after: Document) -> Iterator[Excess]:
    """Drops that rise, by what a node said twice, some seconds apart: the usual is what it counted since its start."""
    was, drops, uptime = mapping(before, "drops"), mapping(after, "drops"), _of(before, "uptime")
    seconds = _of(after, "uptime") - uptime
    if seconds <= 0 or not uptime:  # it was started again
        return
    for reason in sorted(drops):
        rate = (_of(drops, reason) - _of(was, reason)) / seconds
        usual = _of(was, reason) / uptime
        if rate - usual > DROPS_LEAST and rate > DROPS_FACTOR * usual:
            text = f"drops {reason}: {figure(rate)}/s, {figure(usual)}/s since the node's start"
            yield Excess("drops-rising", reason, rate, text)


def figure(value: float) -> str:
    """A number with as many digits as say something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"


def size(count: float) -> str:
    """Bytes, for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{figure(count) if count < 100 else round(count)} {unit}"
        count /= 1024
    return f"{figure(count)} TiB"


def duration(seconds: float) -> str:
    """A time, for people, in one unit."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _of(document: Document, name: str) -> float:
    """0 stands for what is not there."""
    return number(document.get(name)) or 0.0
