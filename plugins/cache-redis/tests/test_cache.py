"""The cache against a real Redis server."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from appliance.api.caches import CacheKind
from appliance.testing.api_parts import FakeApiServices
from appliance.testing.conformance.cache import CacheConformance
from appliance_cache_redis import cache as module
from appliance_cache_redis.cache import opened
from appliance_cache_redis.plugin import appliance_caches
from appliance_cache_redis.settings import RedisSettings

SERVER = shutil.which("redis-server")
PASSWORD = "open-sesame"


class Server:
    """A Redis server at a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert SERVER is not None
        words = (
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
            "--requirepass",
            PASSWORD,
            "--dir",
            str(self._folder),
        )
        self._process = subprocess.Popen([SERVER, *words], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not self.socket.is_socket() and time.monotonic() < until:
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.socket.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if SERVER is None:
        pytest.skip("no redis-server (Debian package redis-server)")
    server = Server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _is_on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 60.0)


def services() -> FakeApiServices:
    return FakeApiServices({"file:/password": PASSWORD})


class TestRedis(CacheConformance):
    where: ClassVar[dict[str, Any]] = {}
    number = 0

    @pytest.fixture(autouse=True)
    def _has_a_server(self, server: Server) -> None:
        TestRedis.number += 1
        self.where["socket"] = str(server.socket)

    def kind(self) -> CacheKind:
        return next(iter(appliance_caches()))

    def settings(self) -> Mapping[str, Any]:
        return {**self.where, "password": "file:/password", "prefix": f"{self.number}:"}

    def services(self) -> FakeApiServices:
        return services()


async def test_a_server_that_is_gone_is_told_and_not_asked_by_everybody_until_it_is_back(server: Server) -> None:
    told = services()
    settings = RedisSettings(socket=server.socket, password="file:/password", prefix="gone:")
    async with opened(settings, told) as cache:
        await cache.put("k", b"v", 60)
        server.stop()
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await cache.get("k")
        assert len([problem for problem in told.reported if problem]) == 1, "the second and third did not wait for it"
        server.start()
        async with asyncio.timeout(60):
            while told.reported[-1]:
                await asyncio.sleep(0.05)
                try:
                    await cache.get("k")
                except ConnectionError:
                    continue


async def test_a_wrong_password_is_said_without_it(server: Server) -> None:
    told = FakeApiServices({"file:/password": "guessed-wrong"})
    async with opened(RedisSettings(socket=server.socket, password="file:/password"), told) as cache:
        with pytest.raises(ConnectionError):
            await cache.get("k")
    assert "guessed" not in told.reported[0]
    assert "invalid username-password" in told.reported[0]
