"""A name server of the world outside, by scapy. It knows `world.example`, by UDP truncated where that is wanted."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from scapy.layers.dns import DNS, DNSRR

WORLD = "203.0.113.7"


def listening(address: str, port: int = 53) -> tuple[socket.socket, socket.socket]:
    """Sockets for UDP and TCP, made in the network namespace of the caller. 0: at a port that is free for both."""
    while True:
        tcp = socket.create_server((address, port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind((address, tcp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
        else:
            return udp, tcp


class NameServer:
    """Answers in threads until the context is left. `asked` has the names that it was asked for."""

    def __init__(self, udp: socket.socket, tcp: socket.socket, *, truncates: bool = False) -> None:
        self.asked: list[str] = []
        self.port = udp.getsockname()[1]
        self._udp, self._tcp, self._truncates = udp, tcp, truncates
        self._threads = [threading.Thread(target=self._serve_udp), threading.Thread(target=self._serve_tcp)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each in (self._udp, self._tcp):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _serve_udp(self) -> None:
        while True:
            try:
                message, source = self._udp.recvfrom(4096)
            except OSError:
                return
            if not message:  # it was shut down
                return
            self._udp.sendto(self._answer(message, truncated=self._truncates), source)

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as reading:
                said = self._answer(reading.read(int.from_bytes(reading.read(2), "big")), truncated=False)
                connection.sendall(len(said).to_bytes(2, "big") + said)

    def _answer(self, message: bytes, *, truncated: bool) -> bytes:
        heard = DNS(message)
        [question] = heard.qd
        name = question.qname.decode().rstrip(".")
        self.asked.append(name)
        known = name.lower() == "world.example"
        records = [DNSRR(rrname=question.qname, type="A", rdata=WORLD)] if known and question.qtype == 1 and not truncated else []
        return bytes(DNS(id=heard.id, qr=1, ra=1, tc=int(truncated), rcode=0 if known else 3, qd=heard.qd, an=records))
