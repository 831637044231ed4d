"""What callers of the control socket ask about topics. Loaded when somebody does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from appliance.control.conversation import Request
from appliance.control.feed import Missed
from appliance.knowledge.pubsub.message import MOST_DATA
from appliance.knowledge.pubsub.wire import is_topic
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.api.management import Principal
    from appliance.runtime.knowledge.readers import Message
    from appliance.runtime.knowledge.topics import Topics


async def publish(topics: Topics, request: Request) -> dict[str, Any]:
    """Publish once. Raises BadArguments and what `Topics.publish` raises."""
    topic, data = _topic(request.args.get("topic")), _data(request)
    made = topics.publish(_caller(request.principal), topic, data)
    return {"topic": topic, "id": made.hex(), "bytes": len(data)}


async def subscribe(topics: Topics, request: Request) -> AsyncGenerator[Any, None]:
    """First what it is subscribed to, and then what comes."""
    wanted = request.args.get("topics")
    if not isinstance(wanted, list) or not wanted:
        raise BadArguments("subscribe: topics is a list of names", hint='like {"topics": ["news"]}')
    named = [_topic(each) for each in wanted]
    with topics.reading(_caller(request.principal), named) as messages:
        yield {"event": "subscribed", "topics": named}
        async for message in messages:
            yield message if isinstance(message, Missed) else document(message)


async def show(topics: Topics, _request: Request) -> list[dict[str, Any]]:
    """The topics that programs of this host read."""
    return topics.described()


def document(message: Message) -> dict[str, Any]:
    """As JSON. `text` is null where the data is none."""
    return {
        "event": "message",
        "topic": message.topic,
        "peer": message.peer,
        "identity": message.identity,
        "id": message.id.hex(),
        "written": message.written,
        "data": base64.b64encode(message.data).decode(),
        "text": _text(message.data),
    }


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _topic(found: object) -> str:
    if not isinstance(found, str) or not is_topic(found):
        raise BadArguments(
            f"{found!r:.100} is no topic", hint="1 to 64 letters, digits, and any of . _ - / (ASCII); all who say the same meet"
        )
    return found


def _data(request: Request) -> bytes:
    data = _said(request)
    if len(data) > MOST_DATA:
        raise BadArguments(
            f"publish: {len(data)} bytes are more than the {MOST_DATA} that a message holds",
            hint="send files with `appliance send`, and say where they are",
        )
    return data


def _said(request: Request) -> bytes:
    match request.args.get("data"), request.args.get("text"):
        case str(data), None:
            try:
                return base64.b64decode(data, validate=True)
            except (binascii.Error, ValueError):
                raise BadArguments("publish: data is no base64", hint="RFC 4648, section 4; or give `text`") from None
        case None, str(text):
            try:
                return text.encode()
            except UnicodeEncodeError:
                raise BadArguments("publish: text has half a character (a lone surrogate)") from None
    raise BadArguments("publish: either data, as base64, or text is wanted")


def _caller(principal: Principal) -> str:
    """Whose limits they are: a user's, whichever programs of his ask."""
    return f"{principal.kind} {principal.name if principal.uid is None else principal.uid}"
