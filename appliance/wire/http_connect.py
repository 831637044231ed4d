"""HTTP's CONNECT as a proxy hears and answers it (RFC 9110, section 9.3.6): the head of one request."""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.errors import PeerFault

MOST_HEAD: Final = 16384
END: Final = b"\r\n\r\n"
MALFORMED, NOT_CONNECT = "malformed", "not-connect"


class Status(NamedTuple):
    """Of an answer."""

    code: int
    reason: str


ESTABLISHED: Final = Status(200, "Connection Established")
BAD_REQUEST: Final = Status(400, "Bad Request")
FORBIDDEN: Final = Status(403, "Forbidden")
NOT_ALLOWED: Final = Status(405, "Method Not Allowed")
BAD_GATEWAY: Final = Status(502, "Bad Gateway")
GATEWAY_TIMEOUT: Final = Status(504, "Gateway Timeout")


def read_connect(head: bytes) -> tuple[str, int]:
    """Host and port that are wanted, from a whole head. Raises PeerFault, with NOT_CONNECT for another method."""
    try:
        method, target, version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    except ValueError as error:
        raise PeerFault(MALFORMED) from error
    if not version.startswith("HTTP/1."):
        raise PeerFault(MALFORMED)
    if method != "CONNECT":
        raise PeerFault(NOT_CONNECT)
    host, _, port = target.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and len(host) <= 255 and port.isdecimal() and 0 < int(port[:6]) < 65536):
        raise PeerFault(MALFORMED)
    return host, int(port)


def answer(status: Status, why: str = "") -> bytes:
    """An answer; `why` is a sentence for who reads it."""
    head = f"HTTP/1.1 {status.code} {status.reason}\r\n"
    if status is ESTABLISHED:
        return f"{head}\r\n".encode()
    allow = "Allow: CONNECT\r\n" if status is NOT_ALLOWED else ""
    body = f"{why}\n".encode()
    about = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return f"{head}{allow}{about}\r\n".encode() + body
