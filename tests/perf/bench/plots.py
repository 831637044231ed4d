"""Which pictures there are of a run, by file name. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.perf.bench import svg
from tests.perf.bench.contenders import ALL, MAIN, VARIANTS
from tests.perf.bench.figures import FIGURES, LOSSES, PACKET_BYTES, loss_name, packets_name
from tests.perf.bench.results import Results
from tests.perf.bench.split import FLOORS

NAMES = [contender.name for contender in MAIN]
DESCRIPTIONS = {
    "throughput.svg": "Throughput of one TCP flow by transport, suite and MTU",
    "loss.svg": "Throughput of one TCP flow over a wire that loses datagrams",
    "packets.svg": "UDP packets received a second",
    "latency.svg": "Round trip times, idle and while a TCP flow runs",
    "costs.svg": "What a tunnel costs: CPU, memory, time to start",
    "profile.svg": "Where the time of the workers goes",
}


def plots(results: Results) -> dict[str, str]:
    """The pictures that the results have something for."""
    panels = {
        "throughput.svg": [_panel(results, "throughput", [contender.name for contender in (*MAIN, *VARIANTS)])],
        "packets.svg": [_panel(results, packets_name(size), NAMES) for size in PACKET_BYTES],
        "latency.svg": [
            _panel(results, f"{state}-{part}", NAMES) for state in ("idle", "loaded") for part in ("p50", "p95", "p99")
        ],
        "costs.svg": [_panel(results, figure, NAMES) for figure in ("cpu", "memory", "first-reply")],
        "profile.svg": _profile(results),
    }
    kept = {name: [panel for panel in found if panel.bars] for name, found in panels.items()}
    drawn = {name: svg.bars(DESCRIPTIONS[name], found) for name, found in kept.items() if found}
    series = {name: [results.median(loss_name(percent), name) for percent in LOSSES] for name in NAMES}
    if series := {name: values for name, values in series.items() if any(values)}:
        places = [f"{percent:g} %" for percent in LOSSES]
        axis = "datagrams lost in each direction"
        drawn["loss.svg"] = svg.lines(DESCRIPTIONS["loss.svg"], "Gbit/s, logarithmic", places, series, axis)
    return drawn


def _panel(results: Results, figure: str, names: Sequence[str]) -> svg.Panel:
    described = FIGURES[figure]
    found = [
        svg.Bar(name, value, _colour(name), f"{value:.{described.digits}f} {described.unit}")
        for name in names
        if (value := results.median(figure, name)) is not None
    ]
    return svg.Panel(f"{described.title}, {described.unit} ({described.better} is better)", found)


def _colour(name: str) -> int:
    """One for each kind of contender and transport, as in the order of the main ones."""
    contender = ALL[name]
    return {"veth": 0, "wireguard-go": 1}.get(contender.kind, 2 if contender.scheme == "udp" else 3)


def _profile(results: Results) -> list[svg.Panel]:
    return [_parts(end, found) for end, found in results.profile.get("shares", {}).items()]


def _parts(end: str, shares: Mapping[str, float]) -> svg.Panel:
    """Parts of one whole; its floors have colours that no contender has."""
    found = [
        svg.Bar(floor, shares.get(floor, 0.0), (0, 4, 5)[n], f"{100 * shares.get(floor, 0.0):.0f} %")
        for n, floor in enumerate(FLOORS)
    ]
    return svg.Panel(end, found, end=1.0)
