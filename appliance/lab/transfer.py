"""Bytes over TCP with a checksum, as a program for both ends. Run by file name: it needs the standard library alone.

    transfer.py receive ADDRESS                prints {"port": N}, takes one connection, prints {"bytes", "sha256", "seconds"}
    transfer.py send ADDRESS PORT BYTES        sends as many, prints {"bytes", "sha256", "told", "seconds"}
    transfer.py send ADDRESS PORT SECONDSs     sends for so long ("3s")

The receiver ends by telling the digest of what came, so the sender knows whether all of it arrived as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time

PIECE = 1 << 18
TIMEOUT = 60.0
"""Seconds without a byte. A lossy wire stalls TCP for some seconds, never for so long."""


def receive(address: str) -> None:
    """Take one connection, and read it to its end."""
    with socket.create_server((address, 0), family=_family(address)) as server:
        server.settimeout(TIMEOUT)
        _say({"port": server.getsockname()[1]})
        connection, _ = server.accept()
    with connection:
        connection.settimeout(TIMEOUT)
        digest, count, begun, piece = hashlib.sha256(), 0, time.monotonic(), bytearray(PIECE)
        while got := connection.recv_into(piece):
            digest.update(memoryview(piece)[:got])
            count += got
        seconds = time.monotonic() - begun
        connection.sendall(digest.hexdigest().encode())
    _say({"bytes": count, "sha256": digest.hexdigest(), "seconds": seconds})


def send(address: str, port: int, amount: str) -> None:
    """Send random bytes, all different, and compare digests."""
    size = None if amount.endswith("s") else int(amount)
    until = float(amount[:-1]) if size is None else None
    with socket.create_connection((address, port), TIMEOUT) as connection:
        digest, count, begun = hashlib.sha256(), 0, time.monotonic()
        while (count < size) if size is not None else (time.monotonic() - begun < (until or 0.0)):
            piece = os.urandom(PIECE if size is None else min(PIECE, size - count))
            digest.update(piece)
            connection.sendall(piece)
            count += len(piece)
        connection.shutdown(socket.SHUT_WR)
        told = b"".join(iter(lambda: connection.recv(64), b"")).decode()
        seconds = time.monotonic() - begun
    _say({"bytes": count, "sha256": digest.hexdigest(), "told": told, "seconds": seconds})


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _say(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["receive", address]:
            receive(address)
        case ["send", address, port, amount]:
            send(address, int(port), amount)
        case _:
            sys.exit(__doc__)
