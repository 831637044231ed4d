"""A table of a few rows that have everything a row may have."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from appliance.management.operations.row import PUBLIC, AnsweredBy, Arguments, Page, Result, Row, Verb


class Part(Result):
    """Of a thing."""

    size: int = Field(description="Bytes.")
    parts: list[Part] = Field(default=[], description="Within it.")


class Thing(Result):
    """A thing."""

    name: str
    kind: Literal["round", "square"]
    part: Part | None = None
    pair: tuple[int, str] = (1, "a")
    labels: dict[str, str] = Field(default_factory=dict)
    weight: float | None = None


class Things(Result):
    """A page of things."""

    items: list[Thing]
    next: str


class Named(Arguments):
    """Which thing."""

    name: str = Field(max_length=20)


class Change(Named):
    """What a thing becomes."""

    weight: float = Field(gt=0, lt=100)
    kind: Literal["round"] = "round"
    labels: tuple[str, ...] = ()


SERVER: Final = AnsweredBy.SERVER
ROWS: Final = (
    Row("things", "all things", "Things", "things.read", Verb.GET, "/things", Things, Page, answered_by=SERVER, listed_by="name"),
    Row(
        "things.change", "change a thing", "Things", "things.change", Verb.PUT, "/things/{name}", Thing, Change, fails=(412,),
        example={"name": "ball", "weight": 1.5}, about="It takes a while.",
    ),
    Row("things.remove", "remove a thing", "Things", "things.change", Verb.DELETE, "/things/{name}", Thing, Named, success=204),
    Row(
        "things.follow", "what happens to things", "Things", "things.read", Verb.GET, "/follow", Thing, Page,
        answered_by=SERVER, stream=True,
    ),
    Row("hello", "say hello", "Greetings", PUBLIC, Verb.POST, "/hello", Part, answered_by=SERVER, success=201),
)  # fmt: skip
