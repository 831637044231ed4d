"""Talks to a running qemu: QMP, its protocol of one JSON document a line (docs/interop/qmp-spec.rst in qemu)."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any, Final

from appliance.errors import HostError

ANSWER_SECONDS: Final = 120.0
"""qemu answers in milliseconds, but may wait for a core."""
MOST_LINE: Final = 1 << 20
"""Bytes of one message. The longest that is asked for has some hundred."""


class Monitor:
    """One connection. Threads may share it."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        """`name` is the guest's, for errors."""
        self._connection = connection
        self._name = name
        self._lock = threading.Lock()
        self._rest = b""
        self._greeted = False

    def execute(self, command: str, arguments: dict[str, Any] | None = None, *, timeout: float = ANSWER_SECONDS) -> Any:
        """Have a command carried out, and return its answer. Events that come between are dropped.

        Raises HostError if qemu refuses it, does not answer in time, or has ended. After a refusal the next one may be asked.
        """
        with self._lock:
            try:
                self._connection.settimeout(timeout)
                if not self._greeted:  # it speaks first, and hears nothing else before this
                    self._answer("QMP", command)
                    self._send("qmp_capabilities", {})
                    self._answer("return", "qmp_capabilities")
                    self._greeted = True
                self._send(command, arguments or {})
                return self._answer("return", command)
            except TimeoutError:
                raise HostError(f"{self._name}: qemu did not answer {command} within {timeout:g} s") from None
            except OSError as error:
                raise HostError(f"{self._name}: qemu has gone: {error.strerror or error}") from None

    def command_line(self, line: str, *, timeout: float = ANSWER_SECONDS) -> None:
        """A command for people, whose answer is a complaint or nothing. Raises HostError."""
        complaint = str(self.execute("human-monitor-command", {"command-line": line}, timeout=timeout)).strip()
        if complaint:
            raise HostError(f"{self._name}: qemu refused `{line}`: {complaint}")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _send(self, command: str, arguments: dict[str, Any]) -> None:
        self._connection.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")

    def _answer(self, key: str, command: str) -> Any:
        """The next message that has this key."""
        while True:
            message = json.loads(self._line())
            if "error" in message:
                raise HostError(f"{self._name}: qemu refused {command}: {message['error'].get('desc', '')}")
            if key in message:
                return message[key]

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            more = self._connection.recv(65536)
            if not more:
                raise OSError("the connection was closed")
            self._rest += more
            if len(self._rest) > MOST_LINE:
                raise OSError("a message without an end")
        line, self._rest = self._rest.split(b"\n", 1)
        return line
