"""The export against a real NATS server with JetStream."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from appliance.api.event_exports import ExportKind
from appliance.api.management import Refused
from appliance.testing.api_parts import FakeApiServices
from appliance.testing.conformance.event_export import EventExportConformance, event
from appliance_export_nats.export import opened
from appliance_export_nats.plugin import appliance_event_exports
from appliance_export_nats.settings import NatsSettings

SERVER = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    if SERVER is None:
        pytest.skip("no nats-server (Debian package nats-server)")
    folder = tmp_path_factory.mktemp("nats")
    words = ("-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(folder), "--ports_file_dir", str(folder))
    process = subprocess.Popen([SERVER, *words], stderr=subprocess.DEVNULL)
    try:
        yield _address(folder)
    finally:
        process.kill()
        process.wait()


def _address(folder: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for file in folder.glob("*.ports"):
            try:
                return str(json.loads(file.read_text())["nats"][0]).removeprefix("nats://")
            except ValueError:  # it is being written
                break
        time.sleep(0.02)
    raise TimeoutError("nats-server wrote no ports")


@asynccontextmanager
async def client_of(address: str) -> AsyncIterator[Client]:
    client = await nats.connect(address)
    try:
        yield client
    finally:
        await client.close()


class TestNats(EventExportConformance):
    number = 0
    address = ""

    @pytest.fixture(autouse=True)
    def _has_a_stream(self, server: str) -> None:
        type(self).number += 1
        type(self).address = server

        async def add() -> None:
            async with client_of(server) as client:
                await client.jetstream().add_stream(name=f"S{self.number}", subjects=[f"s{self.number}.>"])

        asyncio.run(add())

    def kind(self) -> ExportKind:
        return next(iter(appliance_event_exports()))

    def settings(self) -> Mapping[str, Any]:
        return {"servers": [self.address], "subject": f"s{self.number}"}

    async def arrived(self, number: int) -> Sequence[bytes]:
        async with client_of(self.address) as client:
            follower = await client.jetstream().subscribe(f"s{self.number}.>", ordered_consumer=True)
            return [(await follower.next_msg(60)).data for _ in range(number)]


async def test_what_comes_twice_is_kept_once(server: str) -> None:
    async with client_of(server) as client, opened(NatsSettings(servers=(server,), subject="twice"), FakeApiServices()) as export:
        await client.jetstream().add_stream(name="TWICE", subjects=["twice.>"])
        for _ in range(3):
            await export.send([event(7), event(8)])
        assert (await client.jetstream().stream_info("TWICE")).state.messages == 2


async def test_without_a_stream_it_says_how_to_make_one(server: str) -> None:
    async with opened(NatsSettings(servers=(server,), subject="nowhere"), FakeApiServices()) as export:
        with pytest.raises(Refused, match=r"no stream of NATS takes nowhere\.>") as raised:
            await export.send([event(1)])
    assert "nats stream add" in raised.value.hint


async def test_without_jetstream_whoever_listens_has_it(server: str) -> None:
    settings = NatsSettings(servers=(server,), subject="loose", jetstream=False)
    async with client_of(server) as client, opened(settings, FakeApiServices()) as export:
        follower = await client.subscribe("loose.>")
        await client.flush()
        await export.send([event(1), event(2)])
        assert [(await follower.next_msg(60)).data for _ in range(2)] == [event(1).document, event(2).document]


async def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(Refused, match="NATS cannot be reached"):
        async with opened(NatsSettings(servers=("127.0.0.1:1",)), FakeApiServices()):
            pass


def test_tls_is_left_out_on_this_host_only() -> None:
    assert not NatsSettings(servers=("127.0.0.1:4222", "[::1]:4222", "localhost:1")).speaks_tls
    assert NatsSettings(servers=("127.0.0.1:4222", "nats.example.net:4222")).speaks_tls
    assert not NatsSettings(servers=("10.0.0.1:4222",), tls=False).speaks_tls
