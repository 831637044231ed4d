"""The suite of discovery kinds finds what is wrong: one broken stranger for each promise."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from appliance.api.discovery import BroughtPeer, Candidate, DiscoveryKind
from appliance.testing.conformance.discovery import PEERS, DiscoveryConformance
from appliance.testing.conformance.limits import AGAIN, within


def finds(deed: Callable[[], None]) -> None:
    with pytest.raises(BaseException):  # noqa: B017  pytest's own failures are no Exception
        deed()


def discovery(candidates: Callable[[Any], AsyncIterator[Sequence[Candidate]]]) -> DiscoveryConformance:
    class Opened:
        def __init__(self, settings: None, services: Any) -> None:
            self._services = services

        def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
            return candidates(self._services)

    class Suite(DiscoveryConformance):
        def kind(self) -> DiscoveryKind:
            return DiscoveryKind("broken", None, Opened)

    return Suite()


async def restless(services: Any) -> AsyncIterator[Sequence[Candidate]]:
    while True:
        yield [Candidate("nobody", PEERS["named"][0], 0, 0.0)]


def test_a_discoverer_that_gets_everything_wrong() -> None:
    suite = discovery(restless)
    for deed in (
        suite.test_it_gives_candidates_for_peers_of_the_profile,
        suite.test_hosts_are_addresses_by_now,
        suite.test_candidates_live_for_a_while,
        suite.test_it_pauses_between_rounds,
        suite.test_nothing_is_found_for_nobody,
        suite.test_an_unknown_name_is_reported_and_stops_nobody,
    ):
        finds(deed)


async def silent(services: Any) -> AsyncIterator[Sequence[Candidate]]:
    while True:
        await services.sleep(60)
    yield


async def deaf(services: Any) -> AsyncIterator[Sequence[Candidate]]:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
            yield []


async def busy(services: Any) -> AsyncIterator[Sequence[Candidate]]:
    while True:
        pass
    yield


def source(*brought: Any) -> DiscoveryConformance:
    class Opened:
        async def peers(self) -> AsyncIterator[Sequence[BroughtPeer]]:
            yield brought
            await asyncio.Event().wait()

    class Suite(DiscoveryConformance):
        def kind(self) -> DiscoveryKind:
            return DiscoveryKind("broken", None, lambda _settings, _services: Opened())

    return Suite()


GOOD = BroughtPeer("x", "llp1:" + "a" * 52, (ipaddress.ip_network("10.9.1.0/24"),))


def test_a_source_of_peers() -> None:
    suite = source(GOOD)
    suite.test_the_peers_that_it_brings_could_be_peers()
    suite.test_it_has_every_member()
    suite.test_it_runs_beside_others_and_stops()
    suite.test_its_figures_can_be_shown()
    suite.test_it_gives_candidates_for_peers_of_the_profile()


@pytest.mark.parametrize(
    "brought",
    [(GOOD, GOOD), (GOOD._replace(name="no name"),), (GOOD._replace(identity="llp1:x"),), (GOOD._replace(allowed=()),), ("x",)],
)
def test_a_source_of_what_can_be_no_peers(brought: Any) -> None:
    finds(source(*brought).test_the_peers_that_it_brings_could_be_peers)


def test_a_discoverer_that_never_gives_anything() -> None:
    finds(discovery(silent).test_it_gives_candidates_for_peers_of_the_profile)


def test_a_discoverer_that_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.testing.conformance.discovery.STOP_SECONDS", 0.1)
    suite = discovery(deaf)
    with pytest.raises(BaseException), within(1, suite.subject()):  # noqa: B017
        suite.test_it_runs_beside_others_and_stops()


def test_what_keeps_the_loop_is_ended_and_named() -> None:
    suite = discovery(busy)
    with pytest.raises(BaseException, match=r"discovery broken did not end within 0\.2 s, at .*test_discovery_conformance\.py:"):  # noqa: SIM117
        with within(0.2, suite.subject()):
            suite.test_it_runs_beside_others_and_stops()


def test_the_limit_of_a_test_ends_nothing_but_the_test() -> None:
    """Writing down how it failed may take a busy machine longer than the pause until it is ended again."""

    def pytest_pyfunc_call() -> None:
        while True:
            pass

    with within(0.01, "it"):
        with pytest.raises(BaseException, match="did not end"):
            pytest_pyfunc_call()
        signal.sigtimedwait({signal.SIGUSR1}, 3 * AGAIN)


def test_what_does_not_let_itself_be_ended_is_ended_again() -> None:
    def pytest_pyfunc_call() -> None:
        for _ in range(2):
            with suppress(BaseException):
                while True:
                    pass

    with within(0.01, "it"):
        pytest_pyfunc_call()


def test_nothing_is_ended_while_coverage_writes_it_down() -> None:
    """It has a lock then, and whoever wants to write next would wait for ever."""
    written = False
    space: dict[str, Any] = {}
    script = "def write(done):\n    while not done():\n        pass"
    exec(compile(script, "/lib/coverage/collector.py", "exec"), space)

    def hang() -> None:
        nonlocal written
        end = time.monotonic() + 0.1
        space["write"](lambda: time.monotonic() > end)
        written = True
        while True:
            pass

    with pytest.raises(BaseException, match="did not end"), within(0.01, "it"):
        hang()
    assert written
