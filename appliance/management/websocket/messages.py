"""What is said over a WebSocket: JSON objects, one a text message, judged here and nowhere else. Pure.

asker   {"type": "authenticate", "token": …}             first, where the handshake had no header Authorization
        {"type": "subscribe", "id": 1, "topics": ["jobs"], "after": 17}      or "execution": …; without after: from now on
        {"type": "unsubscribe", "id": 1}
        {"type": "ask", "id": 2, "operation": "status", "arguments": {}}     an operation that the node answers
        {"type": "broadcast", "id": 3, "data": {…}}       to all who follow the topic "events"
        {"type": "ping"}
server  {"type": "welcome", "user": …}
        {"type": "done", "id": 1}                         subscribed, unsubscribed (its end), or broadcast
        {"type": "event", "id": 1, "event": {"id": 18, "kind": "jobs.state", "data": {…}}}
        {"type": "stale", "id": 1, "oldest": 40}          some that were asked for are gone; it goes on behind these
        {"type": "answer", "id": 2, "result": …}
        {"type": "problem", "id": 2, "problem": {…}}      as RFC 9457; without id it is about a message that had none
        {"type": "heartbeat", "id": 1, "after": 18}       a subscription is there still, and so far
        {"type": "pong"}

The descriptions of messages (AsyncAPI) are made from these models.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from appliance.management.operations.strict_json import NoJson, value_of

PATH: Final = "/api/v1/ws"
MOST_TEXT: Final = 64 * 1024
"""Characters of a message."""
MAX_ID: Final = 2**53 - 1
MOST_TOPICS: Final = 16
MOST_DATA: Final = 8 * 1024
"""Characters of what is broadcast, as JSON."""

Id = Annotated[int, Field(ge=0, le=MAX_ID, description="Which of your subscriptions, questions and broadcasts this is about.")]


class NotUnderstood(ValueError):
    """It is none of these messages. The text says why, and nothing of what was sent."""


class Message(BaseModel):
    """Members that nobody knows are ignored: later versions say more."""

    model_config = ConfigDict(frozen=True, strict=True)


class Authenticate(Message):
    """Who asks. First, within 10 seconds, where the handshake had no header Authorization; later with a user's next token."""

    type: Literal["authenticate"] = "authenticate"
    token: str = Field(description="An access token or an API token.")


class Subscribe(Message):
    """Follow events from now on, or behind a cursor."""

    type: Literal["subscribe"] = "subscribe"
    id: Id
    topics: list[str] = Field([], max_length=MOST_TOPICS, description="None: all that you may see.")
    execution: str = Field(
        "", max_length=64, description="The id of an execution, to follow that one; it has no topics beside it."
    )
    after: int | None = Field(None, ge=0, le=MAX_ID, description="The id of the last event that you had.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.execution and self.topics:
            raise ValueError("execution has no topics beside it")
        return self


class Unsubscribe(Message):
    """Follow no more."""

    type: Literal["unsubscribe"] = "unsubscribe"
    id: Id


class Question(Message):
    """Ask an operation that the node answers."""

    type: Literal["ask"] = "ask"
    id: Id
    operation: str = Field(description="Its name, as in the table of operations.")
    arguments: dict[str, Any] = Field({}, description="As the operation takes them.")
    traceparent: str = Field("", max_length=200, description="The trace that this belongs to (W3C Trace Context).")


class Broadcast(Message):
    """Tell something to all who follow the topic `events`. Permission: `events.broadcast`."""

    type: Literal["broadcast"] = "broadcast"
    id: Id
    data: dict[str, Any] = Field(description=f"At most {MOST_DATA} characters as JSON.")

    @field_validator("data")
    @classmethod
    def _is_short(cls, data: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(data)) > MOST_DATA:
            raise ValueError(f"data has at most {MOST_DATA} characters")
        return data


class Ping(Message):
    """Is somebody there?"""

    type: Literal["ping"] = "ping"


FromAsker = Authenticate | Subscribe | Unsubscribe | Question | Broadcast | Ping
_FROM_ASKER: Final[TypeAdapter[FromAsker]] = TypeAdapter(Annotated[FromAsker, Field(discriminator="type")])


def read(text: str) -> FromAsker:
    """Raises NotUnderstood."""
    if len(text) > MOST_TEXT:
        raise NotUnderstood(f"a message has at most {MOST_TEXT} characters")
    try:
        return _FROM_ASKER.validate_python(value_of(text))
    except NoJson as error:
        raise NotUnderstood(f"that {error}") from None
    except ValidationError as error:
        raise NotUnderstood(_why(error)) from None


def id_of(text: str) -> int | None:
    """The id that a message has, if it has one, for the answer to one that was not understood."""
    try:
        said = value_of(text[:MOST_TEXT])
    except NoJson:
        return None
    found = said.get("id") if isinstance(said, dict) else None
    return found if type(found) is int and 0 <= found <= MAX_ID else None


def text_of(kind: str, number: int | None = None, **more: Any) -> str:
    """A message of the server's."""
    return json.dumps({"type": kind, **({} if number is None else {"id": number}), **more}, ensure_ascii=False, default=str)


def _why(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if first["type"].startswith(("union_tag", "model_")):
        return "that is no message: there is no such type"
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


EXAMPLES: Final[tuple[FromAsker, ...]] = (
    Authenticate(token="eyJhbGciOiJFZERTQSJ9…"),  # noqa: S106  three dots are no token
    Subscribe(id=1, topics=["jobs", "reviews"], after=17),
    Subscribe(id=2, execution="01890a5d-ac96-774b-bcce-b302099a8057"),
    Unsubscribe(id=1),
    Question(id=3, operation="status"),
    Question(id=4, operation="reload", arguments={"confirm_within": 60}),
    Broadcast(id=5, data={"text": "the link to Berlin is down for an hour"}),
    Ping(),
)
"""As somebody may say them."""
