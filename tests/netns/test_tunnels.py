"""Local ports that lead to services of peers, and a proxy onto the overlay: with programs that know nothing of us."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.netns.daemons import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

SECONDS = 60.0

WEB = """
import http.server, socketserver, threading, socket
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.client_address[0].encode() + b" " + b"x" * int(self.path[1:] or 0)
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
class V4(http.server.ThreadingHTTPServer):
    pass
server = V4(("{host}", 8080), Handler)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("{host}", 8053))
def shout():
    while True:
        data, source = udp.recvfrom(65535)
        udp.sendto(data.upper(), source)
threading.Thread(target=shout, daemon=True).start()
print("ready", flush=True)
server.serve_forever()
"""


@contextmanager
def program(host: Host, *command: str) -> Iterator[str]:
    """Something that runs on that host; its first line."""
    with subprocess.Popen([*host.entering, *command], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            assert line, "it says what it does"
            yield line
        finally:
            running.terminate()


@contextmanager
def appliance(host: Host, *words: str) -> Iterator[dict[str, object]]:
    with program(host, sys.executable, "-P", "-m", "appliance.cli", *words, "--json") as line:
        yield json.loads(line)


def curl(host: Host, *words: str) -> str:
    done = subprocess.run(
        [*host.entering, "curl", "-sS", "--max-time", "50", *words], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout + done.stderr


def listening(said: dict[str, object]) -> tuple[str, int]:
    at = said["listening"]
    assert isinstance(at, dict)
    return at["host"], at["port"]


def asked(host: Host, data: bytes, at: tuple[str, int]) -> bytes:
    """What a datagram from that host is answered with."""

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(SECONDS)
            asking.sendto(data, at)
            return asking.recv(65535)

    return host.namespace.run(ask)


def test_a_local_port_is_a_port_or_a_service_of_the_peer(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    for host in hosts:
        host.start()
    with (
        program(one, sys.executable, "-c", WEB.replace("{host}", "127.0.0.1")),
        appliance(one, "serve", "web", "--to", "127.0.0.1:8080"),
        appliance(one, "serve", "shout", "--udp", "--to", "127.0.0.1:8053"),
        appliance(two, "tunnel", "other", "web") as web,
        appliance(two, "tunnel", "other", "shout", "--udp") as shout,
        appliance(two, "tunnel", "other", "8080") as port,
    ):
        url = "http://{}:{}/3000000".format(*listening(web))
        assert len(curl(two, url)) == 3_000_010
        for size in (3, 1400, 9000):
            assert asked(two, b"a" * size, listening(shout)) == b"A" * size
        assert "reset" in curl(two, "http://{}:{}/1".format(*listening(port))), "nothing listens at its overlay address"


def test_programs_that_speak_socks_or_http_reach_peers_by_name_and_nothing_else(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    for host in hosts:
        host.start()
    with program(one, sys.executable, "-c", WEB.replace("{host}", "10.8.0.1")), appliance(two, "proxy", "--listen", "0") as said:
        proxy = "{}:{}".format(*listening(said))
        assert curl(two, "--socks5-hostname", proxy, "http://other:8080/4") == "10.8.0.2 xxxx"
        assert curl(two, "--socks5", proxy, "http://10.8.0.1:8080/4") == "10.8.0.2 xxxx"
        assert curl(two, "--proxytunnel", "--proxy", f"http://{proxy}", "http://other:8080/4") == "10.8.0.2 xxxx"
        assert "502" in curl(two, "--proxytunnel", "--proxy", f"http://{proxy}", "http://world.example:8080/")
        assert "405" in curl(two, "-i", "--proxy", f"http://{proxy}", "http://other:8080/")
        assert "curl: (97)" in curl(two, "--socks5-hostname", proxy, "http://192.0.2.1:8080/"), (
            "a host, but not a peer's address inside"
        )
        assert two.namespace.run(lambda: datagram_by_socks(listening(said))) == b"LOUD"


def datagram_by_socks(proxy: tuple[str, int]) -> bytes:
    """RFC 1928, sections 4 and 7, spelt out."""
    with socket.create_connection(proxy, SECONDS) as control, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        control.sendall(b"\x05\x01\x00")
        assert control.recv(2) == b"\x05\x00"
        control.sendall(b"\x05\x03\x00\x01" + bytes(6))
        answer = control.recv(10)
        assert answer[:2] == b"\x05\x00"
        asking.settimeout(SECONDS)
        destination = b"\x03\x05other" + (8053).to_bytes(2, "big")
        asking.sendto(bytes(3) + destination + b"loud", (proxy[0], int.from_bytes(answer[8:], "big")))
        said = asking.recv(65535)
        assert said[:3] == bytes(3)
        assert said[3:-4] == destination
        return said[-4:]
