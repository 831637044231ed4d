"""The kernel's word on who listens on an abstract socket, without connecting to it."""

from __future__ import annotations

import os
import socket

from appliance.linux.unix_listeners import listener_uid


def test_a_listener_and_none() -> None:
    address = f"\0appliance-test-listeners-{os.getpid()}"
    assert listener_uid(address) is None
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(address)
        assert listener_uid(address) is None
        held.listen(0)
        assert listener_uid(address) == os.geteuid()
        assert listener_uid(address[:-1]) is None


def test_one_among_many() -> None:
    many = [socket.socket(socket.AF_UNIX) for _ in range(300)]
    try:
        for number, sock in enumerate(many):
            sock.bind(f"\0appliance-test-listeners-{os.getpid()}-{number}")
            sock.listen(0)
        assert listener_uid(f"\0appliance-test-listeners-{os.getpid()}-299") == os.geteuid()
    finally:
        for sock in many:
            sock.close()
