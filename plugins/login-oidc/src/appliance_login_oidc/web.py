"""Requests to the provider: by the standard library, in threads of their own, each with an end.

No redirect is followed, since a secret goes where the discovery document says and nowhere else. What is longer than an answer may
be is not read. A provider that hangs, or sends a byte now and then, is left after SECONDS: its connection is torn, which ends the
thread too. So it holds up nobody but those who log in by it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from appliance.api.management import Refused

SECONDS: Final = 10.0
"""For a whole request with its answer."""
MOST_BYTES: Final = 256 * 1024
"""Of an answer; real ones have 4."""
THREADS: Final = 4
MOST_UNDER_WAY: Final = 64
AGAIN: Final = "try again later; an admin finds more in `appliance plugins`"


class Answer(NamedTuple):
    """Of the provider."""

    status: int
    said: dict[str, Any]
    """The JSON object of the body; {} where it was none."""


class Web:
    """`close` ends its threads."""

    def __init__(self, authorities: Path | None = None, *, seconds: float = SECONDS) -> None:
        """Raises OSError for authorities that cannot be read."""
        self._trust = ssl.create_default_context(cafile=authorities)
        self._threads = ThreadPoolExecutor(THREADS, "oidc")
        self._seconds = seconds
        self._under_way = 0

    async def get(self, url: str) -> Answer:
        """Raises Refused."""
        return await self._ask("GET", url, None, {})

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Raises Refused."""
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", url, urlencode(form).encode(), {**headers, **kind})

    def close(self) -> None:
        """What is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        if self._under_way >= MOST_UNDER_WAY:
            raise Refused("the provider is asked too much at once", hint=AGAIN)
        connection = self._connection(url)
        told = urlsplit(url)
        target = (told.path or "/") + (f"?{told.query}" if told.query else "")
        sent = {"accept": "application/json", "user-agent": "appliance", **headers}
        self._under_way += 1
        try:
            async with asyncio.timeout(self._seconds):
                loop = asyncio.get_running_loop()
                status, raw = await loop.run_in_executor(self._threads, _exchange, connection, method, target, body, sent)
        except TimeoutError:
            raise Refused("the provider does not answer in time", hint=AGAIN) from None
        except (OSError, HTTPException, ValueError) as error:
            raise Refused(f"the provider cannot be reached: {str(error) or type(error).__name__}"[:300], hint=AGAIN) from error
        finally:
            self._under_way -= 1
            _tear(connection)
        if len(raw) > MOST_BYTES:
            raise Refused("the provider's answer is too long", hint=AGAIN)
        return Answer(status, json_object(raw) or {})

    def _connection(self, url: str) -> HTTPConnection:
        told = urlsplit(url)
        assert told.hostname is not None
        if told.scheme == "https":
            return HTTPSConnection(told.hostname, told.port, timeout=self._seconds, context=self._trust)
        return HTTPConnection(told.hostname, told.port, timeout=self._seconds)


def _exchange(
    connection: HTTPConnection, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    """Blocks: for a thread. Raises OSError, HTTPException, ValueError."""
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_BYTES + 1)
    finally:
        connection.close()


def _tear(connection: HTTPConnection) -> None:
    """Wake a thread that waits for it."""
    if (held := connection.sock) is not None:
        with suppress(OSError):
            socket.socket.shutdown(held, socket.SHUT_RDWR)


def json_object(raw: bytes | str) -> dict[str, Any] | None:
    """The object that it says, each key once; None for anything else."""
    try:
        found = json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
