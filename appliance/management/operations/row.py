"""One row of the table: an operation as everybody needs to know it who does not carry it out.

A row says what is asked, by which permission, and what is answered. Who carries it out is found by the row's name: the node's
control socket (`AnsweredBy.NODE`), or the API server itself (`AnsweredBy.SERVER`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

PREFIX: Final = "/api/v1"
"""What all paths of rows stand behind."""
PUBLIC: Final = ""
"""The permission of what anybody may ask, without saying who he is."""
SELF: Final = "self"
"""The permission of what everybody may do who is known: it is about himself."""

_PARAMETER: Final = re.compile(r"\{([A-Za-z_]+)\}")


class Arguments(BaseModel):
    """What an operation takes. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="after")
    def _has_numbers_of_64_bits(self) -> Self:
        """Not all who read them have longer ones."""
        for name, value in self:
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError(f"{name} needs more than 64 bits")
        return self


class Result(BaseModel):
    """What an operation answers. Later versions may say more, so a reader ignores what it does not know."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)


Secret = Annotated[str, Field(json_schema_extra={"format": "password"})]
"""An answer's text that nobody else may see than who asked. Clients whose values can be printed leave it out there."""


class Nothing(Arguments):
    """No arguments."""


class Verb(StrEnum):
    """Methods of HTTP (RFC 9110, section 9)."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"

    @property
    def has_body(self) -> bool:
        """Do the arguments stand in the body? Otherwise in the query."""
        return self in {Verb.POST, Verb.PUT, Verb.PATCH}


class AnsweredBy(StrEnum):
    """Who carries an operation out."""

    NODE = "node"
    """The daemon, by its control socket's operation of the same name."""
    SERVER = "server"
    """The API server, from what it keeps."""


class Row(NamedTuple):
    """One operation."""

    name: str
    """Words with dots between them, the first for what it is about: "users.create". Also the name of its permission's target."""
    summary: str
    """A line, in lower case and without a full stop."""
    tag: str
    """The heading under which it stands in documents."""
    permission: str
    """What the caller needs; PUBLIC: nothing, SELF: to be known."""
    verb: Verb
    path: str
    """Behind the prefix: "/users/{name}". What stands in braces is an argument of that name."""
    result: type[BaseModel]
    """The answer; of a stream, each item."""
    arguments: type[BaseModel] = Nothing
    """What stands neither in the path nor, for GET and DELETE, in the query is the body, as JSON."""
    answered_by: AnsweredBy = AnsweredBy.NODE
    stream: bool = False
    """The answer is a stream of items: by server-sent events (HTML, section 9.2)."""
    listed_by: str = ""
    """The answer is a list, which stands under `items`, ordered by this key and cut into pages. "": it is no list, or the one who
    answers cuts it."""
    form: bool = False
    """The body may also be a form (application/x-www-form-urlencoded)."""
    success: int = 200
    """The status of HTTP when it went well."""
    unwell: int = 0
    """The status with which the same answer comes while it tells that something is wrong. 0: it always comes with `success`."""
    fails: tuple[int, ...] = ()
    """Further statuses it may end with, beside those that any operation may (400, 401, 403, 422, 429, 500, 502, 503, 504)."""
    fresh: float = 0.0
    """Seconds for which an answer may be given again to the same caller: what many ask at once is asked of the node once."""
    seconds: float = 10.0
    """How long the answer may take."""
    once: bool = False
    """The header Idempotency-Key is heeded: the same request under one key is carried out once."""
    example: Mapping[str, Any] = {}
    """Arguments as somebody might write them."""
    about: str = ""
    """More for the document, in sentences."""
    prefix: str = PREFIX
    """What the path stands behind."""

    @property
    def changes(self) -> bool:
        """Is anything different afterwards?"""
        return self.verb is not Verb.GET

    @property
    def secrets(self) -> frozenset[str]:
        """Arguments that nobody else may read, as passwords."""
        fields = self.arguments.model_fields.items()
        return frozenset(name for name, field in fields if SecretStr in {field.annotation, *get_args(field.annotation)})

    @property
    def in_path(self) -> tuple[str, ...]:
        """The arguments that stand in the path, in its order."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def full_path(self) -> str:
        """With its prefix."""
        return self.prefix + self.path


class Page(Arguments):
    """Which part of a list. A `limit` that is too large is cut, not refused."""

    after: str = Field(default="", description="The `next` of the page before; empty for the first.")
    limit: int = Field(default=100, description="Most items, 1 to 1000.")

    @property
    def size(self) -> int:
        """The limit, cut."""
        return max(1, min(self.limit, 1000))
