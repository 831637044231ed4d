"""What a snapshot is like for people: views with columns, and lines above them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from appliance.cli.terminal import bytes_text, seconds_text

Document = Mapping[str, Any]


class Column(NamedTuple):
    """One column of a view."""

    title: str
    value: Callable[[Document], Any]
    """What it is sorted by."""
    text: Callable[[Any], str] = str
    right: bool = False
    """A number: aligned at the right, and the largest first when it is sorted by."""


class View(NamedTuple):
    """A table of a snapshot's rows."""

    name: str
    """A key of the snapshot."""
    key: str
    """The key that shows it."""
    identity: str
    """The field that is a row's own."""
    columns: Sequence[Column]
    empty: str
    """What is said where there are no rows."""

    def rows(self, snapshot: Document) -> Sequence[Document]:
        """In the snapshot's order."""
        return snapshot[self.name] or ()

    def cells(self, row: Document) -> list[str]:
        """Printable texts, whatever a peer calls itself."""
        return [printable(column.text(column.value(row))) for column in self.columns]


def chosen(view: View, rows: Sequence[Document], words: str, order: int | None, *, backwards: bool) -> list[Document]:
    """The rows that have all of these words in their cells, in the order of a column; None: as they came. What is not known comes
    last."""
    wanted = words.casefold().split()
    found = [row for row in rows if all(word in " ".join(view.cells(row)).casefold() for word in wanted)]
    if order is None:
        return found[::-1] if backwards else found
    column = view.columns[order]
    known = [row for row in found if column.value(row) is not None]
    unknown = [row for row in found if column.value(row) is None]
    return sorted(known, key=column.value, reverse=column.right != backwards) + unknown


def head(snapshot: Document) -> list[str]:
    """Who the node is, how it is, and what goes on in all."""
    traffic, loop, disk = snapshot["traffic"], snapshot["loop"], snapshot["disk"]
    connected = sum(peer["state"] == "connected" for peer in snapshot["peers"])
    drops = [each["rate"] for each in snapshot["drops"]]
    who = f"{snapshot['name']}  {snapshot['state']}{'' if snapshot['ready'] else ', not ready'}"
    moved = f"in {rate_text(traffic['received'])}  out {rate_text(traffic['sent'])}  sessions {traffic['sessions']}"
    dropped = "-" if None in drops else f"{sum(drops):.0f}/s"
    uses = [f"{each['name']} {share_text(each['cpu'])} {size_text(each['memory'])}" for each in snapshot["processes"]]
    if loop:
        uses.append(f"loop {loop['longest'] * 1000:.0f} ms")
    if disk:
        uses.append(f"disk {bytes_text(disk['free'])} free")
    lines = [
        f"{who}  up {seconds_text(snapshot['uptime'])}  version {snapshot['version']}",
        f"{moved}  peers {connected}/{len(snapshot['peers'])}  drops {dropped}",
        "  ".join(uses),
        *(f"{part}: {problem}" for part, problem in snapshot["problems"].items()),
    ]
    return [printable(line) for line in lines]


def printable(text: str) -> str:
    """Without anything that a terminal would obey."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def rate_text(value: float | None) -> str:
    """Bytes a second."""
    return "-" if value is None else f"{bytes_text(value)}/s"


def share_text(value: float | None) -> str:
    """Of one core."""
    return "-" if value is None else f"{value * 100:.1f}%"


def size_text(value: float | None) -> str:
    """Bytes."""
    return "-" if value is None else bytes_text(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


def _per_second(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}/s"


def _maybe(value: object) -> str:
    return "-" if value in (None, "") else str(value)


def _field(name: str) -> Callable[[Document], Any]:
    return lambda row: row[name]


def _where(row: Document) -> str:
    return f"by {row['relay']}" if row["relay"] else row["endpoint"] or row["why"]


PEERS: Final = View(
    "peers",
    "1",
    "name",
    (
        Column("peer", _field("name")),
        Column("state", _field("state")),
        Column("path", _field("path"), _maybe),
        Column("rtt", _field("rtt_ms"), _milliseconds, right=True),
        Column("in", _field("received"), rate_text, right=True),
        Column("out", _field("sent"), rate_text, right=True),
        Column("endpoint", _where, _maybe),
    ),
    "this node has no peers",
)
DROPS: Final = View(
    "drops",
    "2",
    "reason",
    (
        Column("reason", _field("reason")),
        Column("a second", _field("rate"), _per_second, right=True),
        Column("since the start", _field("count"), _number, right=True),
    ),
    "nothing was dropped",
)
PROCESSES: Final = View(
    "processes",
    "3",
    "pid",
    (
        Column("process", _field("name")),
        Column("pid", _field("pid"), _number, right=True),
        Column("cpu", _field("cpu"), share_text, right=True),
        Column("memory", _field("memory"), size_text, right=True),
        Column("descriptors", _field("descriptors"), _number, right=True),
        Column("at most", _field("most_descriptors"), _number, right=True),
        Column("waited", lambda row: None if row["waited"] is None else row["waited"] * 1000, _milliseconds, right=True),
    ),
    "the node tells nothing of its processes",
)
JOBS: Final = View(
    "jobs",
    "4",
    "id",
    (
        Column("job", _field("id")),
        Column("template", _field("template")),
        Column("state", _field("state")),
        Column("steps", lambda row: f"{row['done']}/{row['of']}"),
        Column("by", _field("by")),
        Column("begun", _field("created"), _maybe),
        Column("why", _field("error"), _maybe),
    ),
    "no jobs, or no API server that this user may ask",
)
VIEWS: Final = (PEERS, DROPS, PROCESSES, JOBS)


def details(peer: Document) -> list[tuple[str, str]]:
    """All that is known of one peer, as pairs."""
    found = [
        ("identity", peer["identity"]),
        ("from", peer["origin"]),
        ("state", peer["state"]),
        ("path", peer["path"]),
        ("relay", peer["relay"]),
        ("why", peer["why"]),
        ("prefixes", ", ".join(peer["allowed"])),
        ("certificate until", peer["expires"]),
        ("round trip", _milliseconds(peer["rtt_ms"])),
        ("in, out", f"{rate_text(peer['received'])}, {rate_text(peer['sent'])}"),
    ]
    for session in peer["sessions"]:
        found += [
            ("session", session["session"]),
            ("  by", session["endpoint"]),
            ("  suite", f"{session['suite']}, {'post-quantum' if session['pq'] else 'NOT post-quantum'}"),
            ("  received", f"{bytes_text(session['received_bytes'])} in {session['received_packets']} packets"),
            ("  sent", f"{bytes_text(session['sent_bytes'])} in {session['sent_packets']} packets"),
            ("  age, idle", f"{seconds_text(session['age'])}, {seconds_text(session['idle'])}"),
            ("  keys, datagram", f"{session['keys']}, {session['datagram']} bytes"),
            ("  compression", session["compression"]),
        ]
    return [(name, printable(str(value))) for name, value in found if value not in (None, "", "-")]
