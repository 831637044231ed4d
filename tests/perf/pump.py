"""Sends zeros through whatever is to be measured, for so many seconds, or takes them. Run as a program by `tests.perf.streams`.

usage: python pump.py take HOST PORT                            print "ready"; take connections, answer each with the bytes it had
       python pump.py send HOST PORT SECONDS [SOCKS_HOST:PORT]  print bits a second, by a socket
       python pump.py blocking|sdk PEER SERVICE SECONDS         the same by a stream of the SDK: its descriptor, or its methods
       python pump.py serve SERVICE                             print "ready"; take streams
       python pump.py open PEER SERVICE NUMBER                  print the milliseconds that opening took, each
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import threading
import time

from appliance.sdk import Client

BLOCK = bytes(1 << 18)
COUNT = struct.Struct("!Q")


def take(host: str, port: int) -> None:
    with socket.create_server((host, port)) as listener:
        print("ready", flush=True)
        while True:
            threading.Thread(target=count, args=(listener.accept()[0],), daemon=True).start()


def count(connection: socket.socket) -> None:
    connection.setblocking(True)  # noqa: FBT003
    buffer, had = bytearray(1 << 18), 0
    with connection:
        while size := connection.recv_into(buffer):
            had += size
        connection.sendall(COUNT.pack(had))


def pumped(connection: socket.socket, seconds: float) -> float:
    """Bits a second, from the first byte until the other end has counted all."""
    connection.setblocking(True)  # noqa: FBT003
    began = time.monotonic()
    with connection:
        while time.monotonic() < began + seconds:
            connection.sendall(BLOCK)
        connection.shutdown(socket.SHUT_WR)
        had = COUNT.unpack(connection.recv(COUNT.size, socket.MSG_WAITALL))[0]
    return 8 * int(had) / (time.monotonic() - began)


def through_socks(proxy: str, host: str, port: int) -> socket.socket:
    name, _, number = proxy.rpartition(":")
    connection = socket.create_connection((name, int(number)))
    connection.sendall(b"\5\1\0")
    connection.recv(2, socket.MSG_WAITALL)
    connection.sendall(b"\5\1\0\1" + socket.inet_aton(host) + port.to_bytes(2, "big"))
    assert connection.recv(10, socket.MSG_WAITALL)[1] == 0
    return connection


async def by_descriptor(peer: str, service: str) -> socket.socket:
    async with Client() as client:
        return (await client.connect(peer, service)).detach()


async def by_methods(peer: str, service: str, seconds: float) -> float:
    async with Client() as client, await client.connect(peer, service) as connection:
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            await connection.write(BLOCK)
        await connection.close_write()
        had = b""
        while len(had) < COUNT.size:
            had += await connection.read()
        return 8 * int(COUNT.unpack(had)[0]) / (time.monotonic() - began)


async def serve(service: str) -> None:
    async with Client() as client, await client.listen(service) as listener:
        print("ready", flush=True)
        async for connection in listener:
            threading.Thread(target=count, args=(connection.detach(),), daemon=True).start()


async def opened(peer: str, service: str, number: int) -> list[float]:
    took = []
    async with Client() as client:
        for _ in range(number):
            began = time.monotonic()
            async with await client.connect(peer, service):
                took.append(1000 * (time.monotonic() - began))
    return took


def main(words: list[str]) -> None:
    """As the usage says."""
    match words:
        case ["take", host, port]:
            take(host, int(port))
        case ["send", host, port, seconds]:
            print(json.dumps(pumped(socket.create_connection((host, int(port))), float(seconds))))
        case ["send", host, port, seconds, proxy]:
            print(json.dumps(pumped(through_socks(proxy, host, int(port)), float(seconds))))
        case ["blocking", peer, service, seconds]:
            print(json.dumps(pumped(asyncio.run(by_descriptor(peer, service)), float(seconds))))
        case ["sdk", peer, service, seconds]:
            print(json.dumps(asyncio.run(by_methods(peer, service, float(seconds)))))
        case ["serve", service]:
            asyncio.run(serve(service))
        case ["open", peer, service, number]:
            print(json.dumps(asyncio.run(opened(peer, service, int(number)))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
