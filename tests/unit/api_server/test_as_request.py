"""An operation that was asked for in another way, as a request."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api_server.as_request import SentEvents, received, written
from appliance.management.operations.table import BY_NAME


def test_arguments_stand_where_a_request_has_them() -> None:
    assert written(BY_NAME["users.get"], {"name": "a/b"}) == ({"name": "a/b"}, b"", b"")
    assert written(BY_NAME["users.list"], {"limit": 5, "after": "ü&x"}).query == b"limit=5&after=%C3%BC%26x"
    assert written(BY_NAME["events.follow"], {"topics": ["a", "b"]}).query == b"topics=a&topics=b"
    assert written(BY_NAME["analytics.anomalies"], {"over": True}).query == b"over=true"
    assert written(BY_NAME["users.create"], {"name": "ü"}).body == '{"name": "ü"}'.encode()
    assert written(BY_NAME["users.get"], {}).in_path == {}


async def test_a_body_comes_once() -> None:
    receive = received(b"x")
    assert await receive() == {"type": "http.request", "body": b"x", "more_body": False}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await receive()


def test_items_are_read_from_pieces_of_any_size() -> None:
    text = b'id: 1\nevent: a\ndata: {"x":\ndata: 1}\n\n: beat\n\ndata: 2\n\n'
    whole = [{"id": "1", "event": "a", "data": {"x": 1}}, {"data": 2}]
    assert list(SentEvents().take(text)) == whole
    reader = SentEvents()
    assert [item for each in text for item in reader.take(bytes([each]))] == whole
