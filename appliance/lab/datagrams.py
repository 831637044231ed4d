"""One datagram from an address that need not be the sender's, as a program for both ends. Run by file name: it needs the standard
library alone.

    datagrams.py receive ADDRESS                    prints {"port": N}, waits for one datagram, prints {"text"}
    datagrams.py send FROM TO PORT TEXT             sends one; FROM may be anybody's, which takes CAP_NET_ADMIN
"""

from __future__ import annotations

import json
import socket
import sys

IPV6_TRANSPARENT = 75
"""linux/in6.h; Python does not name it."""
TIMEOUT = 60.0
"""Seconds until a receiver that hears nothing gives up."""


def receive(address: str) -> None:
    """Take one datagram."""
    with socket.socket(_family(address), socket.SOCK_DGRAM) as listener:
        listener.bind((address, 0))
        listener.settimeout(TIMEOUT)
        _say({"port": listener.getsockname()[1]})
        _say({"text": listener.recv(64).decode(errors="replace")})


def send(source: str, target: str, port: int, text: str) -> None:
    """Send one datagram from an address that need not be this host's."""
    family = _family(source)
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        if family == socket.AF_INET6:
            sender.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        else:
            sender.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
        sender.bind((source, 0))
        sender.sendto(text.encode(), (target, port))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _say(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["receive", address]:
            receive(address)
        case ["send", source, target, port, text]:
            send(source, target, int(port), text)
        case _:
            sys.exit(__doc__)
