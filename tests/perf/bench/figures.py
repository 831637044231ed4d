"""The figures that are measured: what each is called, its unit, which way is better and how much it varies. Pure data."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

LOSSES: Final = (0.0, 0.1, 1.0, 3.0)
"""Percent of datagrams dropped in each direction."""
PACKET_BYTES: Final = (64, 1200)
"""UDP payloads."""
BULK_LOADS: Final = {"bulk-flow": "one TCP flow", "bulk-flows": "8 TCP flows", "bulk-packets": "UDP packets of 1200 B"}
"""What saturates the class bulk while interactive packets are timed."""


class Figure(NamedTuple):
    """`tolerance` is the part by which a ratio may get worse before that counts. Chosen so that
    runs of an unchanged program pass on a machine with two busy cores; generous for tails, which a single late wake-up makes."""

    title: str
    unit: str
    better: Literal["more", "less"]
    tolerance: float
    digits: int

    @property
    def higher_is_better(self) -> bool:
        """Is more of it better?"""
        return self.better == "more"


def loss_name(percent: float) -> str:
    """The name of the throughput figure at that loss."""
    return f"loss-{percent:g}"


def beside(figure: str) -> str:
    """The name of a figure that is measured with and without monitoring."""
    return f"monitoring-{figure}"


def packets_name(size: int) -> str:
    """The name of the packet rate figure for that payload."""
    return f"packets-{size}"


FIGURES: Final[dict[str, Figure]] = {
    "throughput": Figure("one TCP flow", "Gbit/s", "more", 0.3, 2),
    "back": Figure("one TCP flow, right to left", "Gbit/s", "more", 0.3, 2),
    "flows-8": Figure("8 TCP flows", "Gbit/s", "more", 0.3, 2),
    **{loss_name(percent): Figure(f"one TCP flow, {percent:g} % loss", "Gbit/s", "more", 0.5, 3) for percent in LOSSES},
    **{packets_name(size): Figure(f"UDP packets of {size} B", "kpps", "more", 0.5, 1) for size in PACKET_BYTES},
    "idle-p50": Figure("round trip p50, idle", "ms", "less", 0.5, 3),
    "idle-p95": Figure("round trip p95, idle", "ms", "less", 1.5, 3),
    "idle-p99": Figure("round trip p99, idle", "ms", "less", 3.0, 3),
    "loaded-p50": Figure("round trip p50, loaded", "ms", "less", 1.5, 2),
    "loaded-p95": Figure("round trip p95, loaded", "ms", "less", 2.0, 2),
    "loaded-p99": Figure("round trip p99, loaded", "ms", "less", 3.0, 2),
    **{
        f"{load}-{name}": Figure(f"interactive round trip {name}, bulk {title}", "ms", "less", tolerance, 2)
        for load, title in BULK_LOADS.items()
        for name, tolerance in (("p50", 2.0), ("p99", 3.0))
    },
    "cpu": Figure("CPU of both ends", "s/GB", "less", 0.35, 2),
    "memory": Figure("resident memory of a node", "MB", "less", 0.2, 1),
    "first-reply": Figure("start to first reply", "s", "less", 0.6, 2),
    beside("throughput"): Figure("one TCP flow, scraped or not", "Gbit/s", "more", 0.3, 2),
    beside("packets-64"): Figure("UDP packets of 64 B, scraped or not", "kpps", "more", 0.5, 1),
    beside("cpu"): Figure("CPU of both ends, scraped or not", "s/GB", "less", 0.35, 2),
    "handshakes": Figure("handshakes, both ends on one core", "1/s", "more", 0.4, 0),
}
