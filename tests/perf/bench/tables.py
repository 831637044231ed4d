"""The results as Markdown tables, for the terminal and for the page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.perf.bench.bars import BARS, Bar
from tests.perf.bench.contenders import MAIN, MONITORED, SCHEDULED, VARIANTS, VETH, WIREGUARD, Contender
from tests.perf.bench.figures import FIGURES, beside
from tests.perf.bench.results import HANDSHAKE, SIGNATURE, Results
from tests.perf.bench.split import FLOORS

OURS = [contender.name for contender in MAIN if contender.kind == "ours"]
NOTHING = "–"
MONITORING = tuple(map(beside, ("throughput", "packets-64", "cpu")))


def tables(results: Results) -> str:
    """All tables that the results have something for."""
    parts = [
        _conditions(results),
        bars_table(results),
        _main(results),
        _variants(results),
        _scheduled(results),
        _monitoring(results),
        _handshakes(results),
    ]
    parts.append(profile_table(results))
    return "\n\n".join(part for part in parts if part) + "\n"


def _conditions(results: Results) -> str:
    about = results.about
    load = f"load average {about.get('load_before')} before and {about.get('load_after')} after"
    machine = f"{about.get('cores')} cores ({about.get('processor')}), Linux {about.get('kernel')}, Python {about.get('python')}"
    rounds, seconds = about.get("rounds", 0), about.get("seconds", 0)
    return f"{about.get('date')}; {machine}; {load}; {rounds} interleaved rounds of {seconds:g} s a measurement, medians."


def _main(results: Results) -> str:
    names = [contender.name for contender in MAIN]
    rows = []
    for figure, described in FIGURES.items():
        elsewhere = figure in MONITORING or figure.startswith("bulk-")
        if not elsewhere and any(results.median(figure, name) is not None for name in names):
            values = [value(results, figure, name) for name in names]
            ratios = [ratio(results, figure, name, reference) for reference in (WIREGUARD, VETH) for name in OURS]
            rows.append([f"{described.title}, {described.unit}", *values, *ratios])
    ratio_heads = [f"{name} × {reference}" for reference in (WIREGUARD, VETH) for name in OURS]
    return markdown(["figure", *names, *ratio_heads], rows)


def _variants(results: Results) -> str:
    measured = [each for each in (*MAIN, *VARIANTS) if results.median("throughput", each.name) is not None]
    rows = [[contender.name, *_costs(results, contender)] for contender in measured]
    heads = [
        "one TCP flow",
        "Gbit/s",
        "× veth",
        "× wireguard-go, same MTU",
        "CPU s/GB",
        "× wireguard-go",
        "memory MB",
        "× wireguard-go",
    ]
    return markdown(heads, rows)


def _costs(results: Results, contender: Contender) -> Iterable[str]:
    name, rival = contender.name, contender.rival if contender.references else ""
    yield value(results, "throughput", name)
    yield ratio(results, "throughput", name, VETH) if contender.references else NOTHING
    yield ratio(results, "throughput", name, rival)
    for figure in ("cpu", "memory"):
        yield value(results, figure, name)
        yield ratio(results, figure, name, rival)


def bars_table(results: Results) -> str:
    """What is required beside what was measured; only what was measured."""
    rows = [_bar(results, bar) for bar in BARS if bar.measured(results) is not None]
    return markdown(["required", "bar", "measured", "met"], rows)


def _bar(results: Results, bar: Bar) -> list[str]:
    measured, unit = bar.measured(results), f"× {bar.reference}" if bar.reference else FIGURES[bar.figure].unit
    sign = "at least" if FIGURES[bar.figure].higher_is_better else "at most"
    told = [f"{FIGURES[bar.figure].title}, {bar.contender}", f"{sign} {bar.value:g} {unit}", f"{measured:.2f} {unit}"]
    return [*told, "yes" if bar.met(results) else "**no**"]


def _monitoring(results: Results) -> str:
    pairs = [(figure, c) for figure in MONITORING for c in MONITORED if c.monitored]
    rows = [
        [
            f"{FIGURES[figure].title}, {contender.scheme}, {FIGURES[figure].unit}",
            value(results, figure, contender.scheme),
            value(results, figure, contender.name),
            ratio(results, figure, contender.name, contender.scheme),
        ]
        for figure, contender in pairs
        if results.median(figure, contender.name) is not None
    ]
    return markdown(["both ends scraped each second", "off", "on", "on × off"], rows)


def _scheduled(results: Results) -> str:
    names = [contender.name for contender in SCHEDULED if contender.name != VETH]
    rows = [
        [f"{described.title}, {described.unit}", *(value(results, figure, name) for name in names)]
        for figure, described in FIGURES.items()
        if figure.startswith("bulk-") and any(results.median(figure, name) is not None for name in names)
    ]
    return markdown(["with traffic classes (qos) and without", *names], rows)


def _handshakes(results: Results) -> str:
    rate, signatures = results.median("handshakes", HANDSHAKE), results.median("handshakes", SIGNATURE)
    if rate is None or signatures is None:
        return ""
    return (
        f"A core does {rate:.0f} whole handshakes a second, the work of both ends together and without I/O, "
        f"and {signatures:.0f} signatures (Ed25519 and ML-DSA-87), of which a handshake has two."
    )


def profile_table(results: Results) -> str:
    """Where the time of the workers goes; empty without a profile."""
    shares = results.profile.get("shares", {})
    if not shares:
        return ""
    rows = [[name, *(f"{100 * found.get(floor, 0):.0f} %" for floor in FLOORS)] for name, found in shares.items()]
    told = f"Where the time of the workers goes ({results.profile['tool']}, {results.profile['date']}):"
    busiest = markdown(["busiest Python code", "sending end", "receiving end"], _busiest(results))
    return "\n\n".join(part for part in (told, markdown(["one TCP flow", *FLOORS], rows), busiest) if part)


def _busiest(results: Results) -> list[list[str]]:
    found: dict[str, dict[str, float]] = results.profile.get("busiest", {})
    names = sorted(
        {name for shares in found.values() for name in shares}, key=lambda n: -sum(s.get(n, 0) for s in found.values())
    )
    return [[f"`{name}`", *(f"{100 * shares.get(name, 0):.0f} %" for shares in found.values())] for name in names[:10]]


def value(results: Results, figure: str, contender: str) -> str:
    """A median in its unit."""
    found = results.median(figure, contender)
    return NOTHING if found is None else f"{found:.{FIGURES[figure].digits}f}"


def ratio(results: Results, figure: str, contender: str, reference: str) -> str:
    """A ratio with the digits it deserves."""
    found = results.ratio(figure, contender, reference)
    return NOTHING if found is None else f"{found:.2f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; empty without rows."""
    if not rows:
        return ""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))
