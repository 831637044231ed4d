"""Rows about figures over time, which the API server answers from what it remembers."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from appliance.management.operations.row import AnsweredBy, Arguments, Page, Result, Row, Verb

MONTH: Final = 31 * 86400


class Period(Arguments):
    """How far back."""

    seconds: int = Field(default=3600, ge=10, le=MONTH, description="An hour has steps of 10 s, a day minutes, more quarters.")


class SummaryAsked(Period):
    """Of which period, and how many of each kind."""

    top: int = Field(default=10, ge=1, le=100, description="Peers, reasons and the like: those with the most.")


class SeriesAsked(Period):
    """Which series."""

    metric: str = Field(max_length=64, description="A name that `analytics.metrics` tells.")
    label: str = Field(default="", max_length=255, description='Of which peer, or for which reason; "" for all together.')
    points: int = Field(default=400, ge=1, le=1000, description="Most points; with fewer, intervals are put together.")


class AnomaliesAsked(Arguments):
    """How much of the past."""

    over: int = Field(default=20, ge=0, le=100, description="Most of those that are over.")


class Total(Result):
    """What was counted in a period."""

    label: str = Field(default="", description='Of what; "" for all together.')
    total: float
    mean: float = Field(description="A second.")
    most: float = Field(description="The highest rate of one reading, a second.")


class Level(Result):
    """A figure that goes up and down, in a period."""

    label: str = ""
    least: float
    mean: float
    most: float


class PeerTraffic(Result):
    """Inner bytes of a peer's sessions."""

    peer: str
    received: float
    sent: float


class Traffic(Result):
    """Inner bytes."""

    received: Total
    sent: Total
    peers: list[PeerTraffic] = Field(description="Those with the most in both directions.")


class Sessions(Result):
    """Sessions."""

    there: Level
    opened: float
    most_opened: list[Total] = Field(description="By peer.")


class Drops(Result):
    """Dropped packets."""

    all: Total
    reasons: list[Total]


class RoundTrip(Result):
    """The round trip to a peer. Percentiles are those of the means of intervals."""

    peer: str
    least_s: float
    p50_s: float
    p95_s: float
    most_s: float


class OfNode(Result):
    """What the node's processes used."""

    loop_longest_s: float = Field(description="The longest turn of the event loop.")
    late_turns: float = Field(description="Turns longer than 50 ms.")
    cpu: list[Total] = Field(description="Seconds, by process.")
    memory: list[Level] = Field(description="Resident bytes, by process.")
    disk_free: Level = Field(description="Bytes for the state folder.")


class Summary(Result):
    """A period in a few figures."""

    from_: int = Field(alias="from", description="Unix seconds.")
    to: int = Field(description="Unix seconds; later than now where the last interval is not over.")
    step_s: int = Field(description="Seconds of an interval.")
    traffic: Traffic
    sessions: Sessions
    drops: Drops
    round_trip: list[RoundTrip]
    jobs: list[Total] = Field(description="By how they ended.")
    api: list[Total] = Field(description="Requests, by class of the answer.")
    node: OfNode
    remembering: dict[str, int] = Field(description="Figures of this part itself: series, readings that had no place, …")


class Point(Result):
    """An interval."""

    at: int = Field(description="Unix seconds at which it begins.")
    mean: float
    least: float
    most: float
    total: float | None = Field(default=None, description="What was counted; a level has none.")


class Series(Result):
    """A figure over time. Intervals in which nothing was read are not there."""

    metric: str
    label: str
    kind: str = Field(description="rate or level.")
    unit: str = Field(description="Of a rate: a second.")
    from_: int = Field(alias="from")
    to: int
    points: list[Point]


class SeriesName(Result):
    """A series that there is."""

    metric: str
    label: str
    kind: str
    unit: str
    text: str


class SeriesNames(Result):
    """Series, by name."""

    items: list[SeriesName]
    next: str


class Anomaly(Result):
    """Something out of the ordinary."""

    rule: str = Field(description="drops-rising, session-flapping, …: docs/analytics.md has them all.")
    label: str
    since: int = Field(description="Unix seconds.")
    until: int | None = Field(description="When it was over; null while it lasts.")
    value: float
    reason: str = Field(description="A sentence with the figures in it.")
    todo: str


class Anomalies(Result):
    """What is out of the ordinary, and what was."""

    now: list[Anomaly] = Field(description="The oldest first.")
    over: list[Anomaly] = Field(description="The newest first.")
    held_back: int = Field(description="Not told, since the same had just been over, or too much was told.")
    unwatched: int = Field(description="Readings for which there was no place.")


_TAG: Final = "Analytics"
_READ: Final = "figures.read"
_EXAMPLE: Final[dict[str, Any]] = {"metric": "traffic.received", "seconds": 86400, "points": 100}

ROWS: Final = (
    Row(
        "analytics.summary", "a period in a few figures: traffic, sessions, drops, jobs, requests", _TAG, _READ, Verb.GET,
        "/analytics/summary", Summary, SummaryAsked, AnsweredBy.SERVER,
    ),
    Row(
        "analytics.series", "one figure over time", _TAG, _READ, Verb.GET, "/analytics/series", Series, SeriesAsked,
        AnsweredBy.SERVER, fails=(404,), example=_EXAMPLE,
    ),
    Row(
        "analytics.metrics", "which figures are followed", _TAG, _READ, Verb.GET, "/analytics/metrics", SeriesNames, Page,
        AnsweredBy.SERVER,
    ),
    Row(
        "analytics.anomalies", "what is out of the ordinary, with the reason", _TAG, _READ, Verb.GET, "/analytics/anomalies",
        Anomalies, AnomaliesAsked, AnsweredBy.SERVER,
    ),
)  # fmt: skip
