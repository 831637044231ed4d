"""The operations of an OpenAPI 3.1 document, as somebody needs them who writes a client."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

Schema = Mapping[str, Any]
_MOST_STEPS: Final = 32
"""Of references that lead to references."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARGUMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PATH: Final = re.compile(r"(/([A-Za-z0-9._~-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+")
_VERSION: Final = re.compile(r"[A-Za-z0-9.+-]{1,60}")
_VERBS: Final = frozenset({"GET", "PUT", "POST", "PATCH", "DELETE"})
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


def checked(document: Document) -> None:
    """Raises ValueError for names that cannot stand in a program as they are: a description may come from anybody, and clients
    are made of it."""
    said = str(document["info"]["version"])
    if not _VERSION.fullmatch(said):
        raise ValueError(f"{said[:60]!r} is no version")
    for operation in operations(document):
        if not _NAME.fullmatch(operation.name) or operation.verb not in _VERBS or not _PATH.fullmatch(operation.path):
            raise ValueError(
                f"{operation.verb} {operation.path} ({operation.name})"[:120] + " is no operation that a client can have"
            )
        for argument in operation.arguments:
            if not _ARGUMENT.fullmatch(argument.name):
                raise ValueError(f"{operation.name} has an argument {argument.name[:60]!r}")
    for name in (*document["components"]["schemas"], *_references(document)):
        if not _NAME.fullmatch(name):
            raise ValueError(f"a schema is called {name[:60]!r}")


def _references(value: Any) -> Iterator[str]:
    """The names that references end with."""
    if isinstance(value, Mapping):
        if isinstance(reference := value.get("$ref"), str):
            yield reference.rpartition("/")[2].replace("-", "_")
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def operations(document: Document) -> list[Operation]:
    """All of a document, in its order. Raises KeyError, TypeError, AttributeError or ValueError for one that is not complete."""
    return [
        _operation(document, path, verb, told)
        for path, verbs in document["paths"].items()
        for verb, told in verbs.items()
        if "operationId" in told
    ]


def resolved(document: Document, schema: Schema) -> Schema:
    """What a reference stands for."""
    for _ in range(_MOST_STEPS):
        if "$ref" not in schema:
            return schema
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    raise ValueError(f"{schema['$ref']} leads in a circle")


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
