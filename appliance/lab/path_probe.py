"""Which path carries the packets between two hosts: what both nodes say, and what the wires counted."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from appliance.lab import tools
from appliance.lab.definition import RELAY_SCHEME
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.script import DIRECT, RELAYED, THEORY
from appliance.lab.theory import Outlook, kinds_before, outlook, share_a_wire

PACKETS: Final = 20
PACKET_BYTES: Final = 1000
"""Of echoed data. So many are sent and come back that keepalives and other traffic do not look like them."""


COUNTERS: Final = Path("/proc/thread-self/net/dev")
"""What the kernel counts for each device (proc_pid_net(5))."""
NO_WIRES: Final = {"lo", "llp0"}
"""Where the names of wires are not the lab's: what is none."""
SOON_SECONDS: Final = 5.0
LATE_SECONDS: Final = 60.0
"""From the beginning of a session until it goes by a direct path: one round of a search, or a dozen."""


_WANTED: Final = {Outlook.SURE: DIRECT, Outlook.BY_CHANCE: None, Outlook.NONE: RELAYED}


class Traffic(NamedTuple):
    """Bytes that a host received and sent on its wires."""

    received: int
    sent: int


class PathSeen(NamedTuple):
    """What the probe found."""

    answered: int
    """Echoes that came back, of `PACKETS`."""
    claims: tuple[str, str]
    """What source and target say of their session: `direct`, the relay's name, or "" for none."""
    carried_by: tuple[str, ...]
    """Hosts, besides the ends, through whose wires the bytes went in both directions."""
    counted: bool
    """Do the counters of both ends' sessions contain the bytes? True as well if they have no session."""
    found_after: float | None = None
    """Seconds from the beginning of the session until it went by this direct path, at the end where that took longer. None if
    neither end says."""
    met_after: float | None = None
    """Seconds until the first echo came, whatever carried it. None if nobody waited for it."""
    over: tuple[str, str] = ("", "")
    """The transport that source and target say their session goes over, "" for no session."""
    kept: bool = True
    """Is the session the one that the two had when their path was looked at first?"""

    def trouble(self, via: str | None, *, kept: bool = False, over: str | None = None) -> str:
        """Why this is not the path that was asked for, or no honest one; "" if it is. `kept`: the session must be as well;
        `over`: the transport must be that one."""
        one, other = self.claims
        truth = ", ".join(self.carried_by)
        if self.answered < PACKETS:
            return f"{self.answered} of {PACKETS} echoes came back"
        if one != other:
            return f"one end says {one or 'no session'}, the other {other or 'no session'}"
        if one == DIRECT and truth:
            return f"both ends say direct, but the bytes went through {truth}"
        if one not in (DIRECT, "") and one not in self.carried_by:
            return f"both ends say by {one}, but the bytes went {f'through {truth}' if truth else 'past it'}"
        if not one and not truth:
            return "there is no session, and the bytes went through nobody's"
        if not self.counted:
            return "the sessions did not count the bytes"
        if self.found_after is not None and self.found_after > LATE_SECONDS:
            return f"direct, but only {self.found_after:.0f} s after the session began"
        if kept and not self.kept:
            return "another session than at first"
        return self._another_way(truth, via) or self._another_transport(over)

    def _another_transport(self, over: str | None) -> str:
        if over is None or self.over == (over, over):
            return ""
        return f"over {self.over[0] or 'nothing'} and {self.over[1] or 'nothing'}, not over {over}"

    def _another_way(self, truth: str, via: str | None) -> str:
        if via == DIRECT and truth:
            return f"by {truth}, not direct"
        if via == RELAYED and not truth:
            return "direct, not relayed"
        if via not in (None, DIRECT, RELAYED) and via not in self.carried_by:
            return f"{f'by {truth}' if truth else 'direct'}, not by {via}"
        return ""

    @property
    def took(self) -> float | None:
        """Seconds until there was this path. None if that is not known."""
        return self.found_after if self.claims[0] == DIRECT else self.met_after

    @property
    def text(self) -> str:
        """For people."""
        one, _ = self.claims
        by = DIRECT if one == DIRECT else f"{'relayed' if one else 'passed on'} by {', '.join(self.carried_by)}"
        if self.took is None:
            return by
        return f"{by} ≤ {SOON_SECONDS if self.took <= SOON_SECONDS else LATE_SECONDS:g} s"


async def look(lab: Lab, source: Host, target: Host, version: int) -> PathSeen:
    """Send echoes, and see where they go."""
    sessions = source.sessions().get(target.name), target.sessions().get(source.name)
    before = {name: traffic(lab, name) for name in lab.hosts}
    options = ("-c", str(PACKETS), "-i", "0.01", "-s", str(PACKET_BYTES))
    answered = (await source.run(tools.ping(target, version, *options))).out.count("time=")
    moved = PACKETS * PACKET_BYTES
    carried = []
    for name in lab.hosts:
        now = traffic(lab, name)
        least = min(now.received - before[name].received, now.sent - before[name].sent)
        # whoever passes on receives and sends both ways; an end only its own
        if name not in (source.name, target.name) and least > 1.5 * moved:
            carried.append(name)
    after = source.sessions().get(target.name), target.sessions().get(source.name)
    grown = all(_grew(earlier, later, moved) for earlier, later in zip(sessions, after, strict=True))
    claims = (_claim(lab, after[0]), _claim(lab, after[1]))
    took = [
        _found_after(one, other.name, session) for one, other, session in ((source, target, after[0]), (target, source, after[1]))
    ]
    session = str((after[0] or {}).get("session"))
    return PathSeen(
        answered,
        claims,
        tuple(carried),
        counted=grown,
        over=(_scheme(after[0]), _scheme(after[1])),
        found_after=max(filter(None, took), default=None),
        kept=lab.first_sessions.setdefault((source.name, target.name), session) == session,
    )


def wanted(lab: Lab, source: Host, target: Host, via: str | None) -> str | None:
    """What must carry the bytes, with theory put into practice."""
    if via != THEORY:
        return via
    one, other = source.name, target.name
    if share_a_wire(lab.layout, one, other):
        return DIRECT
    return _WANTED[outlook(kinds_before(lab.layout, one), kinds_before(lab.layout, other))]


def traffic(lab: Lab, name: str) -> Traffic:
    """What the kernel counted on the wires of a host."""
    devices = {end.device for wire in lab.layout.wires for end in wire.ends if end.machine == name}
    lines = lab.host(name).machine.get(COUNTERS).decode().splitlines()
    numbers = [
        list(map(int, rest.split()))
        for line in lines[2:]
        for device, _, rest in [line.partition(":")]
        if (device.strip() in devices if lab.knows_devices else device.strip() not in NO_WIRES)
    ]
    return Traffic(sum(each[0] for each in numbers), sum(each[8] for each in numbers))


def _scheme(session: dict[str, object] | None) -> str:
    return "" if session is None else str(session["endpoint"] or "").partition("://")[0]


def _claim(lab: Lab, session: dict[str, object] | None) -> str:
    if session is None:
        return ""
    scheme, _, where = str(session["endpoint"] or "").partition("://")
    if scheme != RELAY_SCHEME:
        return DIRECT
    return next((host.name for host in lab.hosts.values() if where.startswith(host.identity)), where)


def _found_after(host: Host, peer: str, session: dict[str, object] | None) -> float | None:
    """What a host says of its path to a peer, if it is a direct one that it looked for."""
    path = (((host.status() or {}).get("paths") or {}).get("peers") or {}).get(peer)
    if session is None or path is None or not path["direct"]:
        return None
    return round(max(0.0, float(str(session["age_s"])) - float(path["since_s"])), 2)


def _grew(earlier: dict[str, object] | None, later: dict[str, object] | None, moved: int) -> bool:
    """Has the session counted the bytes in both directions? One that is new has."""
    if later is None:
        return True
    same = earlier is not None and earlier["session"] == later["session"]
    return all(
        int(str(later[key])) - (int(str(earlier[key])) if same and earlier is not None else 0) >= moved
        for key in ("rx_bytes", "tx_bytes")
    )
