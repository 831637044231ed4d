"""Streams between applications of two hosts: the commands, and the same from Python."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from appliance.wire.stream_preface import Wanted, encode_wanted
from tests.netns.daemons import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

HELLO = """
import asyncio
from appliance.sdk import Client, ServiceNotFound

async def main():
    async with Client() as client:
        async with await client.connect("other", "echo", metadata={"who": "me"}) as connection:
            await connection.write(b"hello")
            await connection.close_write()
            said = b""
            while piece := await connection.read():
                said += piece
            print(said.decode(), connection.peer)
        try:
            await client.connect("other", "nothing")
        except ServiceNotFound as error:
            print(error.code, error.hint)

asyncio.run(main())
"""

SERVE = """
import asyncio
from appliance.sdk import Client

async def main():
    async with Client() as client, await client.listen("echo") as listener:
        print("serving", flush=True)
        async for connection in listener:
            async with connection:
                await connection.write(f"{connection.peer} {dict(connection.metadata)} ".encode())
                while piece := await connection.read():
                    await connection.write(piece)

asyncio.run(main())
"""


def serving(host: Host, *command: str) -> subprocess.Popen[bytes]:
    """Something of that host that serves, once it does."""
    started = subprocess.Popen([*host.entering, sys.executable, "-P", *command], stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline().startswith(b"serving"), "it serves"
    return started


def test_a_service_is_served_and_called_by_two_commands(hosts: tuple[Host, Host]) -> None:
    for host in hosts:
        host.start()
    with serving(hosts[0], "-m", "appliance.cli", "serve", "echo") as server:
        try:
            said = subprocess.run(
                [*hosts[1].entering, sys.executable, "-P", "-m", "appliance.cli", "connect", "other", "echo"],
                input=b"x" * 1_000_000 + b"end",
                capture_output=True,
                timeout=60,
                check=True,
            )
            assert said.stdout == b"x" * 1_000_000 + b"end"
            missing = hosts[1].command("connect", "other", "nothing")
            assert missing.returncode == 1
            assert "other has no service nothing" in missing.stderr
        finally:
            server.terminate()


def test_the_same_from_python(hosts: tuple[Host, Host]) -> None:
    for host in hosts:
        host.start()
    with serving(hosts[0], "-c", SERVE) as server:
        try:
            said = subprocess.run(
                [*hosts[1].entering, sys.executable, "-P", "-c", HELLO], capture_output=True, text=True, timeout=60, check=True
            )
        finally:
            server.terminate()
    first, second = said.stdout.splitlines()
    assert first == "other {'who': 'me'} hello other"
    assert second.startswith("NothingServed ")


DATAGRAMS = """
import asyncio, sys
from appliance.sdk import Client, ServiceNotFound

async def serve():
    async with Client() as client, await client.listen_datagrams("time") as listener:
        print("serving", flush=True)
        async for caller in listener:
            async with caller:
                while (said := await caller.receive()) != b"end":
                    await caller.send(said[::-1])

async def call():
    async with Client() as client:
        async with await client.connect_datagrams("other", "time") as callee:
            for size in (1, 5000, 60000):
                await callee.send(bytes([7]) + bytes(size))
                assert await callee.receive() == bytes(size) + bytes([7])
            await callee.send(b"end")
        try:
            await client.connect_datagrams("other", "nothing")
        except ServiceNotFound as error:
            print(error.code)

asyncio.run(serve() if sys.argv[1:] else call())
"""


def test_datagrams_find_their_service_and_come_back(hosts: tuple[Host, Host]) -> None:
    for host in hosts:
        host.start()
    with serving(hosts[0], "-c", DATAGRAMS, "serve") as server:
        try:
            said = subprocess.run(
                [*hosts[1].entering, sys.executable, "-P", "-c", DATAGRAMS],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
        finally:
            server.terminate()
    assert said.stdout == "NothingServed\n"
    assert hosts[0].status()["streams"]["callers"] == {"given": 1, "no-such-service": 1}


def test_what_a_command_serves_is_served_again_when_the_node_is_back(hosts: tuple[Host, Host]) -> None:
    for host in hosts:
        host.start()
    with serving(hosts[0], "-m", "appliance.cli", "serve", "echo") as server:
        try:
            hosts[0].stop()
            hosts[0].start()
            assert server.stdout is not None
            assert server.stdout.readline().startswith(b"serving"), "it says so again"
            call = [
                *hosts[1].entering,
                sys.executable,
                "-P",
                "-m",
                "appliance.cli",
                "connect",
                "other",
                "echo",
                "--timeout",
                "60s",
            ]
            assert subprocess.run(call, input=b"again", capture_output=True, timeout=90, check=True).stdout == b"again"
        finally:
            server.terminate()


def test_nobody_is_heard_in_the_clear_from_the_wire(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    one.start()
    two.namespace.sh("ip addr add 10.8.0.2/32 dev wire; ip route add 10.8.0.1/32 via 192.0.2.1 src 10.8.0.2")
    with serving(one, "-c", DATAGRAMS, "serve") as server:
        try:
            with one.namespace.run(lambda: plain_socket("10.8.0.1")) as beside:
                for port in (842, beside.getsockname()[1]):
                    two.namespace.run(lambda port=port: said_in_the_clear("10.8.0.1", port))  # type: ignore[misc]
                assert beside.recv(1000) == encode_wanted(Wanted("nothing")), "a socket that is not bound to the device hears it"
            assert one.status()["streams"]["callers"] == {}
        finally:
            server.terminate()


def plain_socket(address: str) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.settimeout(60)
    bound.bind((address, 0))
    return bound


def said_in_the_clear(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("10.8.0.2", 0))
        stranger.sendto(encode_wanted(Wanted("nothing")), (address, port))
