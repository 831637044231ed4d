"""The operations of an OpenAPI 3.1 document, as somebody needs them who writes a client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]
Document = Mapping[str, Any]


class Argument(NamedTuple):
    """One argument, wherever it stands in the request."""

    name: str
    schema: Schema
    where: str
    """path, query or body."""
    required: bool
    about: str


class Operation(NamedTuple):
    """One operation."""

    name: str
    """Words with underscores."""
    verb: str
    """In capitals."""
    path: str
    summary: str
    about: str
    arguments: tuple[Argument, ...]
    """Required ones first."""
    result: Schema | None
    """None: no content."""
    stream: bool
    """The answer is server-sent events; `result` is then what each holds."""
    has_body: bool

    @property
    def pages(self) -> bool:
        """Does it answer with one page of a list?"""
        return any(argument.name == "after" for argument in self.arguments) and not self.stream


def operations(document: Document) -> list[Operation]:
    """All of a document, in its order. Raises KeyError for a document without what OpenAPI demands."""
    return [
        _operation(document, path, verb, told)
        for path, verbs in document["paths"].items()
        for verb, told in verbs.items()
        if "operationId" in told
    ]


def resolved(document: Document, schema: Schema) -> Schema:
    """What a reference stands for."""
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _operation(document: Document, path: str, verb: str, told: Mapping[str, Any]) -> Operation:
    arguments = [*_in_request(document, told), *_in_body(document, told)]
    answer = next(told["responses"][status] for status in sorted(told["responses"]) if status.startswith("2"))
    content = answer.get("content", {})
    stream = content.get("text/event-stream")
    plain = content.get("application/json", {}).get("schema")
    return Operation(
        told["operationId"],
        verb.upper(),
        path,
        told.get("summary", ""),
        told.get("description", ""),
        tuple(sorted(arguments, key=lambda argument: not argument.required)),
        stream.get("x-item", {}) if stream else plain,
        stream is not None,
        "requestBody" in told,
    )


def _in_request(document: Document, told: Mapping[str, Any]) -> Iterator[Argument]:
    for parameter in told.get("parameters", ()):
        one = resolved(document, parameter)
        if one["in"] in {"path", "query"}:
            yield Argument(one["name"], one["schema"], one["in"], one.get("required", False), one.get("description", ""))


def _in_body(document: Document, told: Mapping[str, Any]) -> Iterator[Argument]:
    content = told.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        schema = resolved(document, content["schema"])
        required = schema.get("required", ())
        for name, one in schema.get("properties", {}).items():
            yield Argument(name, one, "body", name in required, one.get("description", ""))
