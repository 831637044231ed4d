"""Rows about topics: what members publish to all who are subscribed."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from appliance.management.operations.row import AnsweredBy, Arguments, Page, Result, Row, Verb

TOPIC: Final = r"^[A-Za-z0-9._/-]{1,64}$"
_TAG: Final = "Topics"


class Publish(Arguments):
    """What is published, and where. Either `data` or `text` is given."""

    topic: str = Field(pattern=TOPIC, description="The topic.")
    data: str | None = Field(default=None, max_length=10668, description="Up to 8,000 bytes, as base64 (RFC 4648, section 4).")
    text: str | None = Field(default=None, max_length=8000, description="The same as text: up to 8,000 bytes of UTF-8.")


class Published(Result):
    """It is on its way to all who are subscribed. That is no receipt."""

    topic: str
    id: str = Field(description="The message's id, the same everywhere in the network.")
    bytes: int = Field(description="Of the data.")


class Follow(Arguments):
    """What is followed."""

    topics: list[str] = Field(min_length=1, max_length=32, description="The topics.")


class TopicEvent(Result):
    """An event of topics: `subscribed` at the beginning, then each `message`; `missed` in the place of messages that were not
    taken in time; `failed` if it ends with an error."""

    event: str = Field(description="subscribed, message, missed or failed.")
    topics: list[str] = Field(default=[], description="Of `subscribed`: which.")
    topic: str | None = Field(default=None, description="Of a message, as all that follows.")
    peer: str | None = Field(default=None, description="The author's name; empty if it has none now.")
    identity: str | None = Field(default=None, description="The author's fingerprint, proved by its signature.")
    id: str | None = Field(default=None, description="The same everywhere in the network.")
    written: int | None = Field(default=None, description="Unix seconds, by the author's clock.")
    data: str | None = Field(default=None, description="As base64.")
    text: str | None = Field(default=None, description="The same as text; null if it is none in UTF-8.")
    number: int | None = Field(default=None, description="Of `missed`: how many.")
    code: str | None = Field(default=None, description="Of `failed`, as `message` and `hint`.")
    message: str | None = None
    hint: str | None = None


class TopicPeer(Result):
    """A member that passes messages of a topic on."""

    peer: str
    score: float = Field(description="What this node thinks of it: 0 at first, below 0 it is soon left out.")


class Topic(Result):
    """A topic that programs of the node's host read."""

    topic: str
    readers: int = Field(description="Streams that read it.")
    members: int = Field(description="Members that are subscribed too, as far as there are sessions with them.")
    mesh: list[TopicPeer] = Field(description="Those of them that pass messages on with this node.")


class Topics(Result):
    """A page of them."""

    items: list[Topic]
    next: str


ROWS: Final = (
    Row(
        "publish", "publish a message to all who are subscribed to a topic", _TAG, "knowledge.write", Verb.POST,
        "/topics/publish", Published, Publish, example={"topic": "news", "text": "hello"},
        about="It is signed by the node. Whoever is not subscribed now never gets it.",
    ),
    Row(
        "topics", "topics that programs of this host read", _TAG, "knowledge.read", Verb.GET, "/topics", Topics, Page,
        listed_by="topic",
    ),
    Row(
        "topics.follow", "follow topics", _TAG, "knowledge.read", Verb.GET, "/topics/stream", TopicEvent, Follow,
        AnsweredBy.SERVER, stream=True, fails=(409,), example={"topics": ["news"]},
        about="Nothing is kept: who comes again begins anew. A reader that takes too slowly loses the oldest messages, and an "
        "event `missed` says how many.",
    ),
)  # fmt: skip
