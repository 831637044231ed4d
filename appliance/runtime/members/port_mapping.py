"""A port of the router's for this node: finds the router, carries the messages of `members.leases`, says where others get in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from appliance.api.values import Endpoint
from appliance.foundation import clock, entropy
from appliance.foundation.logging import get_logger
from appliance.linux import marks
from appliance.linux.egress import egress
from appliance.members.leases import Lease
from appliance.runtime.members.igd_port import IgdPort
from appliance.wire import port_mapping as wire

log = get_logger("paths")

ANYWHERE: Final = "192.0.2.1"
"""An address of no network (RFC 5737): the way to it is the way to the internet."""
FAREWELLS: Final = 2
"""How often the router is told that a mapping is over; it does not have to answer in time."""


class PortMapping:
    """The port of a listener at this network's router. `changed()` is called when it comes or goes; `mark` is what our packets
    carry."""

    def __init__(self, changed: Callable[[], None], mark: int | None) -> None:
        self._changed = changed
        self._mark = mark
        self._lease: Lease | None = None
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._at: tuple[str, str, int] | None = None
        self._told: Endpoint | None = None
        self._igd = IgdPort(self._tell)
        self.problem = ""
        """Why no router is asked."""

    @property
    def mapped(self) -> Endpoint | None:
        """Where the router lets others in to this node."""
        found = None if self._lease is None else self._lease.mapped
        return found or self._igd.mapped

    def report(self) -> dict[str, Any]:
        """For the status."""
        lease = self._lease
        if lease is None:
            return {"mapped": None, "protocol": None, "problem": self.problem}
        if lease.mapped is None and self._igd.mapped is not None:
            return {"mapped": str(self._igd.mapped), "protocol": "upnp", "problem": ""}
        mapped = None if lease.mapped is None else str(lease.mapped)
        problem = "; ".join(filter(None, (lease.problem, self._igd.problem)))
        problem = "" if mapped else problem or "the router was asked just now"
        return {"mapped": mapped, "protocol": str(lease.protocol) if mapped else None, "problem": problem}

    def look(self, port: int | None) -> None:
        """This host's networks may have changed: ask the router there is now for UDP `port` (None: for nothing)."""
        way = None if port is None else egress(ANYWHERE, self._mark or 0)
        if port is None or way is None or not way.gateway:
            self.close()
            self.problem = "there is no IPv4 router" if port is not None else "nothing listens on UDP over IPv4"
            return
        try:
            sock = self._reach(way.gateway)
        except OSError as error:
            self.close()
            self.problem = f"the router cannot be asked: {error.strerror}"
            return
        at = way.gateway, sock.getsockname()[0], port
        if at == self._at:
            sock.close()
            return
        self.close()
        self.problem, self._at, self._socket = "", at, sock
        self._lease = Lease(at[1], port, entropy.random_bytes(wire.NONCE_BYTES), clock.monotonic())
        asyncio.get_running_loop().add_reader(sock, self._read)
        self._turn()

    async def end(self) -> None:
        """Give the port back, however it was got."""
        self.close()
        await self._igd.close()

    def close(self) -> None:
        """Give back what was got with one message."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            farewell = self._lease.withdraw() if self._lease is not None else None
            with suppress(OSError):
                for _ in range(FAREWELLS if farewell is not None else 0):
                    self._socket.send(farewell or b"")
            self._socket.close()
        self._lease = self._socket = self._timer = self._at = None
        self._tell()

    def _reach(self, gateway: str) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.settimeout(0)
            if self._mark is not None:
                marks.set_mark(sock, self._mark)
            sock.connect((gateway, wire.PORT))
        except OSError:
            sock.close()
            raise
        return sock

    def _read(self) -> None:
        if self._socket is None or self._lease is None:
            return
        with suppress(OSError):  # nobody listens there: as good as no answer
            self._lease.handle_answer(self._socket.recv(wire.MAX_ANSWER_BYTES + 1), clock.monotonic())
        self._turn()

    def _timeout(self) -> None:
        self._timer = None
        if self._lease is not None:
            self._lease.handle_timeout(clock.monotonic())
            self._turn()

    def _turn(self) -> None:
        lease, sock = self._lease, self._socket
        if lease is None or sock is None:
            return
        while (message := lease.poll_transmit()) is not None:
            with suppress(OSError):
                sock.send(message)
        if self._timer is not None:
            self._timer.cancel()
        if lease.problem and self._at is not None:
            self._igd.ask(self._at[1], self._at[2])
        due = lease.poll_timeout()
        self._timer = None if due is None else asyncio.get_running_loop().call_at(due, self._timeout)
        self._tell()

    def _tell(self) -> None:
        mapped = self.mapped
        if mapped != self._told:
            self._told = mapped
            log.info("the router lets others in" if mapped else "the router lets others in no more", at=str(mapped or ""))
            self._changed()
