"""`appliance load`: the same request again and again, and how an API server stands it."""

from __future__ import annotations

import argparse
import http.client
import statistics
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

from appliance.cli.api.calls import request, row_named, target_of
from appliance.cli.api.connection import Asked, Target, connect, headers_for
from appliance.cli.parser import UsageError, seconds_of
from appliance.cli.terminal import Terminal
from appliance.errors import ExitCode
from appliance.foundation import clock

MOST_CONNECTIONS: Final = 64
MOST_RATE: Final = 10_000
LONGEST: Final = 3600.0
BROKEN: Final = "no answer"
"""What stands for a status where a connection broke."""


class Result(NamedTuple):
    """What came of it. Times in milliseconds."""

    requests: int
    seconds: float
    per_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    slowest_ms: float
    answers: dict[str, int]
    """By status of HTTP, or BROKEN."""


def load(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Ask, and print how it went. FAILURE if an answer was a 5xx, or there was none."""
    name, *words = arguments.words
    row = row_named(name)
    if row.stream:
        raise UsageError(f"{name} is a stream: that does not end", hint="choose an operation with one answer")
    connections = _whole("--connections", arguments.connections, MOST_CONNECTIONS)
    rate = _whole("--rate", arguments.rate, MOST_RATE) if arguments.rate else 0
    during = seconds_of(arguments.during, "--during")
    if during > LONGEST:
        raise UsageError("--during is an hour at most", hint="run it again")
    found = measure(target_of(arguments), request(row, words), connections, rate, during)
    terminal.result(found._asdict(), _text(found))
    bad = any(status == BROKEN or status.startswith("5") for status in found.answers)
    return ExitCode.FAILURE if bad else ExitCode.OK


def measure(target: Target, asked: Asked, connections: int, rate: int, seconds: float) -> Result:
    """Ask over so many connections; `rate` requests a second in all, 0 for as many as can be."""
    began = clock.monotonic()
    times: list[float] = []
    answers: Counter[str] = Counter()
    slots = _slots(began, began + seconds, rate)
    taking = threading.Lock()
    stopped = threading.Event()

    def take() -> float | None:
        with taking:
            return next(slots, None)

    threads = [
        threading.Thread(target=_ask, args=(target, asked, take, stopped, times, answers), daemon=True)
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        stopped.set()  # Ctrl-C
    return _result(times, answers, clock.monotonic() - began)


def _slots(began: float, end: float, rate: int) -> Iterator[float]:
    """When each request is due, at even times; whoever is late goes at once."""
    if not rate:
        while clock.monotonic() < end:
            yield 0.0
        return
    for number in range(max(1, round((end - began) * rate))):
        yield began + number / rate


def _ask(
    target: Target,
    asked: Asked,
    take: Callable[[], float | None],
    stopped: threading.Event,
    times: list[float],
    answers: Counter[str],
) -> None:
    connection: http.client.HTTPConnection | None = None
    while (due := take()) is not None and not stopped.wait(max(0.0, due - clock.monotonic())):
        began = clock.monotonic()
        try:
            connection = connection or connect(target.url)
            connection.request(asked.verb, asked.path, asked.body, headers_for(target, asked))
            response = connection.getresponse()
            response.read()
            answers[str(response.status)] += 1
        except (OSError, http.client.HTTPException):
            answers[BROKEN] += 1
            if connection is not None:
                with suppress(OSError):
                    connection.close()
            connection = None
            stopped.wait(0.1)  # a server that is down is not asked in a circle
        times.append(clock.monotonic() - began)
    if connection is not None:
        connection.close()


def _result(times: list[float], answers: Counter[str], seconds: float) -> Result:
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [*times, 0.0][:1] * 99
    percent: Callable[[int], float] = lambda at: round(cuts[at - 1] * 1000, 2)  # noqa: E731
    slowest = round(max(times, default=0.0) * 1000, 2)
    rate = round(len(times) / seconds, 1)
    return Result(len(times), round(seconds, 2), rate, percent(50), percent(90), percent(99), slowest, dict(answers))


def _text(found: Result) -> str:
    answers = ", ".join(f"{status}: {count}" for status, count in sorted(found.answers.items()))
    return (
        f"{found.requests} requests in {found.seconds:g} s, {found.per_second:g} a second\n"
        f"p50 {found.p50_ms:g} ms, p90 {found.p90_ms:g} ms, p99 {found.p99_ms:g} ms, slowest {found.slowest_ms:g} ms\n"
        f"answers: {answers or 'none'}"
    )


def _whole(option: str, text: Any, most: int) -> int:
    if not str(text).isdecimal() or not 1 <= int(text) <= most:
        raise UsageError(f"{option} is a whole number from 1 to {most}", hint=f"for example {option} 8")
    return int(text)
