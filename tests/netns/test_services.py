"""Services and meshes of real members: found by rows, called through the overlay, gone with their programs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rigs.certified import Network, network

from tests.netns.daemons import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

CALLS = """
import asyncio, sys
from appliance.sdk import Client

async def ask(connection):
    await connection.write(b"?")
    await connection.close_write()
    assert await connection.read() == b"?"
    return connection.peer

async def main():
    async with Client(discover_s=0.1) as client:
        service = client.service("echo")
        while {each.node for each in await service.discover()} != set(sys.argv[1].split(",")):
            await asyncio.sleep(0.1)
        print(*sorted({await service.call(ask, deadline=60) for _ in range(20)}))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(tmp_path_factory.mktemp("three"), 3) as found:
        for host in found.hosts:
            host.start()
        yield found


@contextmanager
def running(host: Host, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of that host that ends with the context."""
    command = [*host.entering, sys.executable, "-P", "-m", "appliance.cli", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()


def lines(process: subprocess.Popen[bytes]) -> Iterator[Any]:
    """What it prints, a JSON value a line."""
    assert process.stdout is not None
    return map(json.loads, process.stdout)


def test_members_find_each_others_services_and_miss_those_that_are_gone(three: Network) -> None:
    first, second, third = three.hosts
    with running(first, "service", "watch", "echo", "--json") as watching:
        seen = lines(watching)
        while next(seen):
            pass
        with (
            running(second, "service", "register", "echo", "--metadata", "zone=a", "--json") as offering,
            running(third, "service", "register", "echo", "--json") as dying,
        ):
            assert next(lines(offering)) == {"offering": "echo", "passing": True}
            assert next(lines(dying))["passing"]
            while len(found := next(seen)) < 2:
                pass
            assert {each["node"]: each["metadata"] for each in found} == {"host-2": {"zone": "a"}, "host-3": {}}
            assert "host-2" in first.command("service", "list").stdout
            called = subprocess.run(
                [*first.entering, sys.executable, "-P", "-c", CALLS, "host-2,host-3"], capture_output=True, text=True, timeout=120
            )
            assert called.stdout == "host-2 host-3\n", called.stderr
            dying.send_signal(signal.SIGKILL)
            while [each["node"] for each in found] != ["host-2"]:
                found = next(seen)
        while found:
            found = next(seen)


def test_a_service_whose_check_fails_says_so_to_all(three: Network, tmp_path: Path) -> None:
    first, second, _ = three.hosts
    works = tmp_path / "works"
    works.touch()
    with (
        running(second, "service", "register", "echo", "--check", f"test -e {works}", "--json") as offering,
        running(first, "service", "watch", "--json") as watching,
    ):
        assert next(lines(offering))["passing"]
        seen = lines(watching)
        while [each["health"] for each in next(seen)] != ["passing"]:
            pass
        works.unlink()
        while [each["health"] for each in next(seen)] != ["failing"]:
            pass


def test_hosts_talk_in_a_mesh(three: Network) -> None:
    first, second, third = three.hosts
    with running(first, "mesh", "chat", "club", "--json") as one, running(second, "mesh", "chat", "club", "--json") as other:
        while len(json.loads(third.command("mesh", "peers", "club", "--json").stdout)) < 2:
            pass
        with running(third, "mesh", "chat", "club", "--wait", "100s") as talking:
            assert talking.stdin is not None
            assert talking.stderr is not None
            assert {talking.stderr.readline() for _ in range(2)} == {b"host-1 is there\n", b"host-2 is there\n"}
            talking.stdin.write(b"hello\n")
            talking.stdin.close()
            for listening in (one, other):
                assert next(lines(listening)) == {"peer": "host-3", "text": "hello"}
            assert talking.wait(60) == 0


def test_health_is_for_scripts(three: Network) -> None:
    answer = three.hosts[0].command("health", "--json")
    assert (answer.returncode, json.loads(answer.stdout)["ok"]) == (0, True)
