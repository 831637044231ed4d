"""An operation that was asked for in another way, as the request over HTTP that it stands for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.types import Message, Receive

from appliance.management.operations.row import Row


class Written(NamedTuple):
    """Arguments, at the places where a request has them."""

    in_path: Mapping[str, str]
    query: bytes
    body: bytes


def written(row: Row, given: Mapping[str, Any]) -> Written:
    """Where the arguments of an operation stand. They are not judged: the row's endpoint does that."""
    rest = dict(given)
    in_path = {name: str(rest.pop(name, "")) for name in row.in_path}
    path = {name: value for name, value in in_path.items() if value}  # no path has an empty one
    if row.verb.has_body:
        return Written(path, b"", json.dumps(rest, ensure_ascii=False).encode())
    return Written(path, urlencode({name: _text(value) for name, value in rest.items()}, doseq=True).encode(), b"")


def received(body: bytes) -> Receive:
    """What hands out that body; after it nothing more happens, since that the caller went is told by cancelling."""
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:
            await asyncio.Event().wait()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


class SentEvents:
    """Reads server-sent events (HTML, section 9.2.6), as this API server writes them."""

    def __init__(self) -> None:
        self._rest = ""

    def take(self, piece: bytes) -> Iterator[dict[str, Any]]:
        """The items that are whole with this piece, as JSON: `id` and `event` if they have them, and `data`."""
        *whole, self._rest = (self._rest + piece.decode()).split("\n\n")
        for text in whole:
            said: dict[str, str] = {}
            for line in text.splitlines():
                name, _, value = line.partition(": ")
                said[name] = f"{said[name]}\n{value}" if name in said else value
            if "data" in said:
                yield {name: said[name] for name in ("id", "event") if name in said} | {"data": json.loads(said["data"])}


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return [str(_text(each)) for each in value] if isinstance(value, list) else str(value)
