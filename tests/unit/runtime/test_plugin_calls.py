"""Plugins that exit, interrupt, escape or block wherever they are called: named, and survived."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from appliance.api.discovery import DiscoveryKind
from appliance.api.events import SessionClosed
from appliance.api.management import ApiRoute, Principal
from appliance.api.monitoring import MonitorKind
from appliance.api.profile import Profile
from appliance.api.routing import Route
from appliance.api.transport import Adopted, TransportKind
from appliance.api.values import Endpoint
from appliance.control.conversation import Request
from appliance.errors import PluginFault
from appliance.foundation import logging, turning
from appliance.foundation.tasks import Tasks
from appliance.plugin_host.owners import Owners
from appliance.runtime.links.table import Link, Links
from appliance.runtime.links.transports import Transports
from appliance.runtime.node_view import NodeView
from appliance.runtime.operations import plugins_operations
from appliance.runtime.peers import discovery
from appliance.runtime.peers.discovery import Discovery
from appliance.runtime.peers.forwarding import Forwarding
from appliance.runtime.peers.router import OpenRouter
from appliance.runtime.peers.table import PeerTable
from appliance.runtime.plugins import calls
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import Late, PluginCalls
from appliance.runtime.plugins.loop_watch import LoopWatch
from appliance.runtime.plugins.monitors import Monitors
from appliance.runtime.plugins.stay import Stay
from appliance.testing.management import FakeRouteServices
from tests.rigs.tables import Tables

# An alarm that rings while the interpreter runs a finalizer is swallowed there, and rings again.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
LIMIT = 0.05
Deed = Callable[[], None]


def exits() -> None:
    sys.exit(3)


def interrupts() -> None:
    raise KeyboardInterrupt


def escapes() -> None:
    raise GeneratorExit


def loops() -> None:
    while True:
        pass


def sleeps() -> None:
    while True:
        try:
            time.sleep(1000)
        except:  # noqa: E722  as careless code does
            time.sleep(1000)


def harmless() -> None:
    """Comes back."""


NASTY: list[Deed] = [exits, interrupts, escapes, loops, sleeps]
SAYS = {"exits": "SystemExit: 3", "interrupts": "KeyboardInterrupt", "escapes": "GeneratorExit", "loops": "", "sleeps": ""}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(calls, "HELD_UP", LIMIT)
    monkeypatch.setattr(discovery, "FIRST_PAUSE", 1000.0)
    monkeypatch.setattr("appliance.runtime.plugins.loop_watch.BEAT", LIMIT / 2)
    monkeypatch.setattr(logging, "_SEEN", OrderedDict())
    handler, (left, _) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    yield
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, left)


def told(problem: str, nasty: Deed) -> None:
    """Does `problem` tell what happened, and where?"""
    said = SAYS[nasty.__name__]
    assert (f"raised {said}" if said else f"{LIMIT:g} s (") in problem, problem
    assert "test_plugin_calls.py:" in problem


def owner(frame: FrameType | None) -> str | None:
    """What is nasty is the plugin's. The rest of a test is nobody's: it is not broken off where a machine stands still."""
    while frame is not None and frame.f_code.co_name not in SAYS:
        frame = frame.f_back
    return None if frame is None else "nasty"


def turn(main: Callable[[], Awaitable[Any]], survived: list[BaseException] | None = None) -> Any:
    """Run as the daemon does: with a watched loop that survives what plugins raise in it."""

    async def watched() -> Any:
        watch = LoopWatch(owner)
        watch.start()
        try:
            return await main()
        finally:
            watch.stop()

    def survive(error: BaseException) -> bool:
        if survived is not None:
            survived.append(error)
        return survived is not None

    return turning.run(watched(), survive)


class Transport:
    """Does `nasty` in one of its members."""

    def __init__(self, member: str, nasty: Deed) -> None:
        self._member, self._nasty = member, nasty

    async def listen(self, at: Endpoint) -> Endpoint:
        self._be("listen")
        return at

    async def dial(self, to: Endpoint, timeout: float) -> Adopted:
        self._be("dial")
        raise OSError

    async def connect(self, local: Endpoint, to: Endpoint) -> Adopted | None:
        self._be("connect")
        return None

    async def close(self) -> None:
        self._be("close")

    def _be(self, member: str) -> None:
        if member == self._member:
            self._nasty()


class Heard:
    def __init__(self) -> None:
        self.failed: asyncio.Queue[str] = asyncio.Queue()

    def on_link(self, link: Link, peer: str | None) -> None: ...

    def on_link_dropped(self, number: int) -> None: ...

    def on_dial_failed(self, peer: str, endpoint: Endpoint, reason: str) -> None:
        self.failed.put_nowait(reason)


AT = Endpoint("nasty", "127.0.0.1", 1)


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("member", ["open", "listen", "dial", "connect", "close", "task"])
def test_a_transport(member: str, nasty: Deed, warnings: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        heard, links = Heard(), Links()

        def opened(_settings: None, services: Any) -> Transport:
            if member == "open":
                nasty()
            if member == "task":
                services.spawn(asyncio.to_thread(harmless), "fine")
                services.spawn(later(nasty), "nasty")
            return Transport(member, nasty)

        async def later(deed: Deed) -> None:
            deed()

        kinds = {"nasty": TransportKind("nasty", None, opened, datagram=True, driver="none:none")}
        transports = Transports(kinds, links, heard, None)
        if member in ("open", "listen"):
            with pytest.raises(PluginFault, match="plugin nasty: transport nasty: "):
                await transports.listen([AT])
            assert not transports.bound
        else:
            await transports.listen([AT])
            assert list(transports.bound) == [AT]
        if member == "dial":
            transports.dial("b", AT)
            assert (await heard.failed.get()).startswith("plugin nasty: transport nasty: dial ")
        if member == "connect":
            with pytest.raises(PluginFault):
                await transports.connect(
                    Link(1, kinds["nasty"], AT, None, listener=True, options={}, sock=None), ("127.0.0.1", 2)
                )
        if member == "task":
            for _ in range(3):
                await asyncio.sleep(0)
        await transports.close()

    turn(main)
    told(problem_of(warnings), nasty)


def problem_of(warnings: pytest.LogCaptureFixture) -> str:
    """What the log says of the plugin that failed."""
    [record] = [record for record in warnings.records if record.getMessage() == "a plugin failed"]
    return str(vars(record)["fields"]["reason"])


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("WARNING")
    return caplog


def profile(**more: Any) -> Profile:
    return Profile.model_validate({"profile": 1, "network": {"addresses": ["10.0.0.1/24"]}, **more})


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("when", ["at once", "on the way"])
def test_a_router(when: str, nasty: Deed) -> None:
    class Router:
        def routes(self, _view: Any) -> Any:
            return nasty() if when == "at once" else self._one_by_one()

        def _one_by_one(self) -> Iterator[Route]:
            nasty()
            yield from ()

    forwarding = Forwarding(OpenRouter(Router()), profile(), PeerTable(), frozenset, Tables)
    forwarding.ask()
    told(forwarding.problem, nasty)
    forwarding.ask()
    if not SAYS[nasty.__name__]:
        assert "is not asked again" in forwarding.problem


def test_a_router_without_an_end() -> None:
    class Router:
        def routes(self, _view: Any) -> Iterator[Route]:
            while True:
                yield Route(profile().network.addresses[0].network, "nobody")

    forwarding = Forwarding(OpenRouter(Router()), profile(), PeerTable(), frozenset, Tables)
    forwarding.ask()
    assert forwarding.problem


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("member", ["open", "candidates", "batch", "after a batch"])
def test_a_discoverer(member: str, nasty: Deed) -> None:
    class Discoverer:
        def __init__(self, _settings: None, _services: Any) -> None:
            if member == "open":
                nasty()

        def candidates(self) -> AsyncIterator[Any]:
            if member == "candidates":
                nasty()
            return self._all()

        async def _all(self) -> AsyncIterator[Any]:
            if member == "after a batch":
                yield []
            if member != "batch":
                nasty()
            yield lazy()

    def lazy() -> Iterator[Any]:
        nasty()
        yield from ()

    async def main() -> None:
        running = Discovery({"nasty": DiscoveryKind("nasty", None, Discoverer)}, lambda _peer, _endpoints: None, PeerTable())
        running.start(profile(discovery={"nasty": {}}))
        await until(lambda: running.problems)
        told(running.problems["nasty"], nasty)
        assert running.given_up is (not SAYS[nasty.__name__])
        await running.close()

    turn(main)


def test_a_discoverer_that_never_waits() -> None:
    class Discoverer:
        def __init__(self, _settings: None, _services: Any) -> None: ...

        async def candidates(self) -> AsyncIterator[Any]:
            while True:
                yield []

    async def main() -> None:
        running = Discovery({"nasty": DiscoveryKind("nasty", None, Discoverer)}, lambda _peer, _endpoints: None, PeerTable())
        running.start(profile(discovery={"nasty": {}}))
        await until(lambda: bool(running.problems))
        assert "without a pause" in running.problems["nasty"]
        await running.close()

    turn(main)


class Settings(BaseModel):
    pass


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("member", ["settings", "open", "enter", "run", "exit"])
def test_a_monitor(member: str, nasty: Deed, warnings: pytest.LogCaptureFixture) -> None:
    def be(now: str) -> None:
        if now == member:
            nasty()

    def settings() -> type[Settings]:
        be("settings")
        return Settings

    @asynccontextmanager
    async def page() -> AsyncIterator[None]:
        be("enter")
        async with asyncio.TaskGroup() as group:
            group.create_task(running())
            yield
            be("exit")

    async def running() -> None:
        be("run")

    def opened(settings: Any, services: Any) -> Any:
        be("open")
        return page()

    async def main() -> None:
        services: Any = None
        monitors = Monitors({"nasty": MonitorKind("nasty", settings, opened)}, services)
        await monitors.use({"nasty": {}})
        if member == "run":
            await until(lambda: monitors.problems)
        assert bool(monitors.problems) is (member != "exit")
        await monitors.close()

    turn(main, [])
    told(problem_of(warnings), nasty)


@pytest.mark.parametrize("nasty", NASTY)
def test_a_subscriber(nasty: Deed, warnings: pytest.LogCaptureFixture) -> None:
    asked: list[Any] = []

    def subscriber(event: Any) -> None:
        asked.append(event)
        nasty()

    seen: Any = SimpleNamespace(driver=SimpleNamespace(subscribers=[]), views=[])
    NodeView(seen, PluginCalls(), "nasty").subscribe(subscriber)
    for _ in range(2):
        seen.driver.subscribers[0](SessionClosed("b", "1", "idle"))
    told(problem_of(warnings), nasty)
    assert len(asked) == (1 if not SAYS[nasty.__name__] else 2)


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("member", ["handler", "result"])
def test_a_management_operation(member: str, nasty: Deed) -> None:
    class Odd:
        def __str__(self) -> str:
            nasty()
            return ""

    async def handler(_args: Any) -> Any:
        if member == "handler":
            nasty()
        return {"odd": Odd()}

    async def main() -> None:
        routes = {"moon": ("nasty", ApiRoute("moon", "moon.read", handler))}
        offered = plugins_operations(PluginCalls(), routes, lambda _plugin: FakeRouteServices())
        answer: Any = offered["moon"].handler(Request(Principal("local", "root", 0, 0, 1), {}))
        with pytest.raises(PluginFault, match="plugin nasty: ") as caught:
            await answer
        told(caught.value.message, nasty)

    turn(main)


@pytest.mark.parametrize("nasty", [exits, interrupts])
@pytest.mark.parametrize("how", ["task", "callback", "reader"])
def test_what_a_plugin_starts_by_itself(how: str, nasty: Deed) -> None:
    survived: list[BaseException] = []

    async def main() -> str:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with one, other:
            if how == "task":
                kept = asyncio.ensure_future(asyncio.wait_for(own(), 5))
            elif how == "callback":
                loop.call_soon(nasty)
            else:
                loop.add_reader(one.fileno(), nasty)
                other.send(b"x")
            await until(lambda: bool(survived))
            loop.remove_reader(one.fileno())
            with suppress(BaseException):
                await kept
        return "still here"

    async def own() -> None:
        nasty()

    assert turn(main, survived) == "still here"
    owners = Owners()
    owners.add("nasty", __name__)
    assert {owners.of_error(error) for error in survived} == {"nasty"}


def test_a_callback_that_blocks_is_ended() -> None:
    survived: list[BaseException] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(loops)
        await until(lambda: bool(survived))

    turn(main, survived)
    assert "held up the node for 0.05 s (" in str(survived[0])


def test_what_is_nobodys_ends_the_loop_as_ever() -> None:
    async def main() -> None:
        raise SystemExit(5)

    with pytest.raises(SystemExit):
        turn(main)


async def until(condition: Callable[[], Any]) -> None:
    """Let others run until it holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  what is waited for knows no event of ours
            await asyncio.sleep(0)


def stubborn() -> Any:
    async def work() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1000)

    return work()


def test_what_does_not_let_itself_be_cancelled_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.foundation.tasks.LEAVE_SECONDS", LIMIT)
    monkeypatch.setattr(turning, "END_SECONDS", LIMIT)
    calls = PluginCalls()

    @asynccontextmanager
    async def slow(*, entering: bool) -> AsyncIterator[None]:
        if entering:
            await stubborn()
        yield
        await stubborn()

    async def main() -> str:
        with pytest.raises(PluginFault, match=r"dial did not end within 0\.05 s \(.*test_plugin_calls\.py:"):
            await calls.attend(Part("transport", "nasty", "dial"), stubborn, LIMIT)
        assert not calls.hangs(Part("transport", "nasty", "dial")), "the node went on meanwhile"
        tasks = Tasks()
        tasks.spawn(stubborn(), "stubborn")
        await asyncio.sleep(0)
        await tasks.close()
        with pytest.raises(Late):
            await Stay(slow(entering=True), "nasty", lambda _error: None).enter(LIMIT)
        stay = Stay(slow(entering=False), "nasty", lambda _error: None)
        await stay.enter(LIMIT)
        with pytest.raises(Late):
            await stay.leave(LIMIT)
        return "ended"

    assert turn(main) == "ended"


def test_what_held_up_the_node_is_asked_again_after_a_reload() -> None:
    calls, part = PluginCalls(), Part("routing", "nasty", "routes")
    with pytest.raises(PluginFault, match="did not end"):
        calls.call(part, loops)
    with pytest.raises(PluginFault, match="is not asked again"):
        calls.call(part, harmless)
    calls.forgive()
    calls.call(part, harmless)
