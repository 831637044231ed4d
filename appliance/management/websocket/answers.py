"""What the server says over a WebSocket, as models for descriptions and for those who read it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from appliance.management.websocket.messages import Id

Cursor = Annotated[int, Field(ge=0, description="An event's id. Ids only grow.")]


class Said(BaseModel):
    """Later versions may say more, so a reader ignores what it does not know."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Welcome(Said):
    """It is known who asks."""

    type: Literal["welcome"]
    user: str


class Done(Said):
    """A subscription began or ended, or a broadcast was told."""

    type: Literal["done"]
    id: Id


class Happened(Said):
    """An event."""

    id: Cursor
    kind: str = Field(description='What it is: "node.health", "jobs.succeeded", "step", …')
    data: dict[str, Any]


class Told(Said):
    """An event of a subscription."""

    type: Literal["event"]
    id: Id
    event: Happened


class Missing(Said):
    """Events behind `after` are gone. The subscription goes on at `oldest`."""

    type: Literal["stale"]
    id: Id
    after: Cursor
    oldest: Cursor
    newest: Cursor


class Heartbeat(Said):
    """Nothing happened; this is where the subscription is."""

    type: Literal["heartbeat"]
    id: Id
    after: Cursor


class Answer(Said):
    """What the operation answers."""

    type: Literal["answer"]
    id: Id
    result: Any


class Refused(Said):
    """It did not go well. Without an id it is about a message that had none."""

    type: Literal["problem"]
    id: Id | None = None
    problem: dict[str, Any] = Field(description="As RFC 9457 has it.")


class Pong(Said):
    """Somebody is there."""

    type: Literal["pong"]


FromServer = Welcome | Done | Told | Missing | Heartbeat | Answer | Refused | Pong
FROM_SERVER: Final[TypeAdapter[FromServer]] = TypeAdapter(Annotated[FromServer, Field(discriminator="type")])
"""Reads one, as JSON."""
