"""Any program asks the daemon: through a real control server, whose operations are a plugin's."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from appliance.api.management import ApiCall, ApiRoute, DaemonClient, Refused
from appliance.api.profile import Section
from appliance.client import ApplianceError, Client, ExitCode
from appliance.control.admission import Admission
from appliance.control.authority import Authority
from appliance.control.server import ControlServer
from appliance.foundation import places
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.routes import plugins_operations
from appliance.testing.management import FakeRouteServices


class Question(Section):
    peer: str


async def echo(call: ApiCall) -> Any:
    return {"peer": call.arguments.peer, "uid": call.principal.uid}


async def refuses(_call: ApiCall) -> Any:
    raise Refused("no such peer", hint="look with: appliance status", exit_code=ExitCode.RETRY)


class Daemon:
    """A control server in a thread, with two operations that answer and one that streams for ever."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._address = f"\0appliance-test-client-{os.getpid()}"
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    async def _count(self, _call: ApiCall) -> AsyncIterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            self.closed.set()

    async def _serve(self) -> None:
        routes = [
            ApiRoute("mesh.echo", "mesh.read", echo, arguments=lambda: Question),
            ApiRoute("mesh.refuses", "mesh.read", refuses),
            ApiRoute("mesh.count", "mesh.read", self._count, stream=True),
        ]
        operations = plugins_operations(
            PluginCalls(), {route.name: ("mesh", route) for route in routes}, lambda _plugin: FakeRouteServices()
        )
        authority = Authority(lambda: None, {}, lambda _plugin, _error: None)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
            listener.bind(self._address)
            listener.listen()
            serving = ControlServer(operations, authority.allows, Admission())
            serving.serve(listener)
            self._ready.set()
            await self._stop.wait()
            await serving.close()

    def __enter__(self) -> str:
        self._thread.start()
        self._ready.wait()
        return self._address

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    running = Daemon()
    with running as address:
        monkeypatch.setattr(places, "control_addresses", lambda *_: [address])
        yield running


@pytest.fixture
def client() -> DaemonClient:
    return Client()


@pytest.mark.usefixtures("daemon")
def test_a_question_is_answered_to_who_the_kernel_says_asks(client: DaemonClient) -> None:
    assert client.call("mesh.echo", {"peer": "hub"}) == {"peer": "hub", "uid": os.geteuid()}


@pytest.mark.usefixtures("daemon")
def test_what_goes_wrong_says_what_to_do(client: DaemonClient) -> None:
    with pytest.raises(ApplianceError, match="no such peer") as refused:
        client.call("mesh.refuses")
    assert (refused.value.exit_code, refused.value.hint) == (ExitCode.RETRY, "look with: appliance status")
    with pytest.raises(ApplianceError, match=r"mesh\.echo: peer: this key is missing") as wrong:
        client.call("mesh.echo")
    assert wrong.value.exit_code == ExitCode.INVALID


def test_a_stream_is_followed_for_as_long_as_one_likes_and_ends_at_the_daemon_too(daemon: Daemon, client: DaemonClient) -> None:
    seen = []
    with client.stream("mesh.count") as numbers:
        for number in numbers:
            seen.append(number)
            if number == 5000:
                break
    assert seen == list(range(5001))
    assert daemon.closed.wait(10)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, client: DaemonClient) -> None:
    monkeypatch.setattr(places, "control_addresses", lambda *_: ["\0appliance-test-nobody"])
    with pytest.raises(ApplianceError) as nobody:
        client.call("status")
    assert nobody.value.exit_code == ExitCode.NO_DAEMON
    with pytest.raises(ApplianceError), client.stream("mesh.count") as numbers:
        next(numbers)


def test_an_instance_is_asked_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "control_addresses", lambda environ: [f"\0appliance-test-{environ[places.INSTANCE_VARIABLE]}"])
    with pytest.raises(ApplianceError) as nobody:
        Client("red").call("status")
    assert nobody.value.exit_code == ExitCode.NO_DAEMON
    monkeypatch.undo()
    with pytest.raises(ApplianceError, match="no name of an instance"):
        Client("../red")
