"""docs/api.md, from the table of operations: what each takes and answers, who may ask it, what may go wrong, and curl's request.

.venv/bin/python docs/api_reference.py >docs/api.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from shlex import quote
from typing import Any

from appliance import __version__
from appliance.api_server.problems import known_codes
from appliance.management.clients.operations import Argument, Operation, operations, resolved
from appliance.management.descriptions.openapi import document

HEAD = """\
# Reference of the API

<!-- Generated from the table of operations: make docs -->

Every operation over HTTP, by what it is about. [api-conventions.md](api-conventions.md) has what holds for all of them. `$API` is
the address of a node, for example `http://127.0.0.1:8470`, and `$TOKEN` a token. Arguments in *italics* have to be given.
"""


def reference() -> str:
    """The whole page."""
    described = document_of_today()
    parts = [HEAD.rstrip()]
    by_tag: dict[str, list[Operation]] = {}
    for operation in operations(described):
        by_tag.setdefault(_told(described, operation)["tags"][0], []).append(operation)
    for tag, found in by_tag.items():
        parts.append(f"## {tag}")
        parts += [_operation(described, operation) for operation in found]
    return "\n\n".join(parts) + "\n"


def document_of_today() -> dict[str, Any]:
    """OpenAPI 3.1."""
    from appliance.management.operations.table import ROWS

    return document(ROWS, __version__, known_codes())


def _told(described: dict[str, Any], operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = described["paths"][operation.path][operation.verb.lower()]
    return found


def _operation(described: dict[str, Any], operation: Operation) -> str:
    told = _told(described, operation)
    parts = [
        f"### {operation.name}",
        f"`{operation.verb} {operation.path}`: {operation.summary}. {' '.join(operation.about.split())}",
    ]
    if operation.arguments:
        parts.append("\n".join(_argument(argument) for argument in operation.arguments))
    parts.append(f"Answers {_answer(described, operation, told)}.{_problems(described, told)}")
    parts.append(f"```text\n{_curl(told, operation)}\n```")
    return "\n\n".join(parts)


def _argument(argument: Argument) -> str:
    name = f"*`{argument.name}`*" if argument.required else f"`{argument.name}`"
    about = f": {argument.about}" if argument.about else ""
    return f"- {name} ({', '.join([_kind(argument.schema), *_limits(argument.schema), argument.where])}){about}"


def _kind(schema: Any) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(_kind(each) for each in schema[choice]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))


def _limits(schema: Any) -> Iterator[str]:
    for key, said in (
        ("minimum", "{} or more"),
        ("exclusiveMinimum", "more than {}"),
        ("maximum", "{} at most"),
        ("exclusiveMaximum", "less than {}"),
        ("minLength", "{} characters or more"),
        ("maxLength", "{} characters at most"),
        ("maxItems", "{} items at most"),
    ):
        if key in schema:
            yield said.format(schema[key])
    if schema.get("default") not in {None, ""} if not isinstance(schema.get("default"), list | dict) else schema["default"]:
        yield f"default {json.dumps(schema['default'], ensure_ascii=False)}"


def _answer(described: dict[str, Any], operation: Operation, told: dict[str, Any]) -> str:
    status = next(each for each in told["responses"] if each.startswith("2"))
    if operation.result is None:
        return f"{status} without content"
    name = _kind(operation.result)
    properties = resolved(described, operation.result).get("properties", {})
    members = f" ({', '.join(f'`{each}`' for each in properties)})" if properties else ""
    return f"{status} with {'server-sent events of ' if operation.stream else ''}{name}{members}"


def _problems(described: dict[str, Any], told: dict[str, Any]) -> str:
    """Without those that any operation may have."""
    usual = {"400", "401", "403", "413", "415", "422", "429", "500", "503", "504"}
    found = [
        f"{status} ({_meaning(described, answer)})"
        for status, answer in told["responses"].items()
        if "$ref" in answer and not status.startswith("2") and status not in usual
    ]
    return f" May also end with {', '.join(found)}." if found else ""


def _meaning(described: dict[str, Any], answer: dict[str, Any]) -> str:
    shared = described["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return str(shared["description"]).split(". Codes")[0].rstrip(".")


def _curl(told: dict[str, Any], operation: Operation) -> str:
    words = ["curl"]
    if operation.stream:
        words.append("-N")
    if operation.verb != "GET":
        words += ["-X", operation.verb]
    if told.get("security") != []:
        words += ["-H", '"Authorization: Bearer $TOKEN"']
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    if body is not None:
        words += ["-H", "'Content-Type: application/json'", "-d", quote(json.dumps(body, ensure_ascii=False))]
    return " ".join([*words, f'"$API{_path(told, operation)}"'])


def _path(told: dict[str, Any], operation: Operation) -> str:
    path = operation.path
    for parameter in told.get("parameters", ()):
        if parameter.get("in") == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter.get("example", parameter["name"].upper())))
    return path


if __name__ == "__main__":
    sys.stdout.write(reference())
