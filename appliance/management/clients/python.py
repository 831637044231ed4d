"""A client in Python: models as TypedDicts, a method for each operation. What carries requests is written by hand, beside it."""

from __future__ import annotations

import json
import keyword
import textwrap
from collections.abc import Mapping
from typing import Any, Final

from appliance.management.clients.operations import Argument, Document, Operation, Schema, operations, resolved

PACKAGE: Final = "appliance_client"
_KINDS: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}
_OWN: Final = {"close", "url"}
"""Names of the client's own."""
_INSIDE: Final = {"each", "found", "models", "page", "path_of", "self"}
"""Names that methods of the client use."""
_HEAD: Final = '"""{about}\n\nGenerated from the description of the API, version {version}: do not edit.\n"""\n\n'


def files(document: Document) -> dict[str, str]:
    """The texts of the generated files, by their paths."""
    version = document["info"]["version"]
    return {
        f"{PACKAGE}/models.py": _models(document, version),
        f"{PACKAGE}/schemas.py": _schemas(document, version),
        f"{PACKAGE}/client.py": _client(document, version),
        f"{PACKAGE}/__init__.py": _INIT,
        f"{PACKAGE}/py.typed": "",
        "pyproject.toml": _PROJECT.format(version=version),
        "README.md": _README,
    }


def annotation(schema: Any, prefix: str = "models.") -> str:
    """The type of a value. `prefix` stands before names of models."""
    if not isinstance(schema, Mapping) or not schema:
        return "Any"
    if "$ref" in schema:
        return f"{prefix}{schema['$ref'].rpartition('/')[2]}"
    if "const" in schema or "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema.get('enum', [schema.get('const')]))}]"
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _union([annotation(each, prefix) for each in schema[choice]])
    if len(schema.get("allOf", ())) == 1:
        return annotation(schema["allOf"][0], prefix)
    kinds = schema.get("type", "")
    if isinstance(kinds, list):
        return _union([annotation({**schema, "type": kind}, prefix) for kind in kinds])
    if kinds == "array":
        return f"list[{_item(schema, prefix)}]"
    if kinds == "object" and isinstance(schema.get("additionalProperties"), Mapping) and not schema.get("properties"):
        return f"dict[str, {annotation(schema['additionalProperties'], prefix)}]"
    return str(_KINDS.get(kinds, "Any"))


def _item(schema: Schema, prefix: str) -> str:
    if "prefixItems" in schema:
        return _union([annotation(each, prefix) for each in schema["prefixItems"]])
    return annotation(schema.get("items"), prefix)


def _union(kinds: list[str]) -> str:
    return "Any" if "Any" in kinds else " | ".join(dict.fromkeys(kinds))


def _models(document: Document, version: str) -> str:
    parts = [_HEAD.format(about="What operations take and answer.", version=version) + _IMPORTS]
    parts += [_model(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n\n".join(parts)


def _model(name: str, schema: Schema) -> str:
    properties = schema.get("properties", {})
    required = set(schema.get("required", ()))
    if "properties" not in schema:
        return f"{name}: TypeAlias = {annotation(schema, '')!r}\n"
    if not all(_plain(each) for each in properties):
        fields = ", ".join(f"{each!r}: {_field(one, each in required)!r}" for each, one in properties.items())
        return f"{name} = TypedDict({name!r}, {{{fields}}})\n"
    lines = [f"class {name}(TypedDict):", _docstring(schema.get("description", name), 4)]
    for each, one in properties.items():
        lines.append(f"    {each}: {_field(one, each in required)}")
        if "description" in one:
            lines.append(_docstring(one["description"], 4))
    return "\n".join(lines) + "\n"


def _field(schema: Schema, required: bool) -> str:
    kind = annotation(schema, "")
    return kind if required else f"NotRequired[{kind}]"


def _plain(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _docstring(text: str, indent: int) -> str:
    """In lines of 120 characters."""
    safe = text.strip().replace("\\", "\\\\").replace('"""', "'''")
    safe += " " if safe.endswith('"') else ""
    lines = textwrap.wrap(f'"""{safe}"""', 120 - indent, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent("\n".join(lines), " " * indent)


def _schemas(document: Document, version: str) -> str:
    text = json.dumps(document["components"]["schemas"], ensure_ascii=False)
    imports = "from __future__ import annotations\n\nimport json\nfrom typing import Any\n"
    head = _HEAD.format(about="The schemas of all models, for `validating`.", version=version)
    return f"{head}{imports}\nSCHEMAS: dict[str, Any] = json.loads({text!r})\n"


def _client(document: Document, version: str) -> str:
    head = _HEAD.format(about="All operations.", version=version) + _CLIENT
    return head + "\n".join(_methods(document, each) for each in operations(document))


def _methods(document: Document, operation: Operation) -> str:
    name = operation.name + ("_" if operation.name in _OWN or keyword.iskeyword(operation.name) else "")
    if operation.stream:
        return _stream(operation, name)
    parts = [_method(operation, name)]
    item = _listed(document, operation)
    if item is not None:
        parts.append(_all(operation, name, item))
    return "\n".join(parts)


def _method(operation: Operation, name: str) -> str:
    result = "None" if operation.result is None else annotation(operation.result)
    call = f"await self._transport.ask({_asked(operation)})"
    told = f"        {call}\n" if operation.result is None else f"        found: {result} = {call}\n        return found\n"
    return f"    async def {name}({_signature(operation.arguments)}) -> {result}:\n{_about(operation)}\n{told}"


def _all(operation: Operation, name: str, item: Schema) -> str:
    """The pages of a list, one after the other."""
    arguments = tuple(each for each in operation.arguments if each.name != "after")
    passed = "".join(f", {_safe(each.name)}={_safe(each.name)}" for each in arguments)
    return (
        f"    async def {name}_all({_signature(arguments)}) -> AsyncIterator[{annotation(item)}]:\n"
        f"{_docstring(f'{_sentence(operation.summary)}, from all pages, one after the other.', 8)}\n"
        '        after = ""\n'
        "        while True:\n"
        f"            page = await self.{name}(after=after{passed})\n"
        '            for each in page["items"]:\n'
        "                yield each\n"
        '            after = page["next"]\n'
        "            if not after:\n"
        "                return\n"
    )


def _stream(operation: Operation, name: str) -> str:
    query, path = _query(operation), _path(operation)
    return (
        f"    def {name}({_signature(operation.arguments)}) -> AsyncIterator[Event]:\n{_about(operation)}\n"
        f"        return self._transport.follow({path}, {query})\n"
    )


def _listed(document: Document, operation: Operation) -> Schema | None:
    """What a list is of; None if the answer is no page."""
    if not operation.pages or operation.result is None:
        return None
    properties = resolved(document, operation.result).get("properties", {})
    return properties["items"].get("items", {}) if {"items", "next"} <= set(properties) else None


def _signature(arguments: tuple[Argument, ...]) -> str:
    told = [f"{_safe(each.name)}: {_argument(each)}" for each in arguments]
    return ", ".join(["self", *(["*"] if told else []), *told])


def _argument(argument: Argument) -> str:
    kind = annotation(argument.schema)
    if argument.required:
        return kind
    return f"{kind} = None" if kind == "Any" or "None" in kind.split(" | ") else f"{kind} | None = None"


def _safe(name: str) -> str:
    plain = "".join(each if each.isalnum() else "_" for each in name)
    return plain + ("_" if keyword.iskeyword(plain) or plain in _INSIDE else "")


def _asked(operation: Operation) -> str:
    return f'"{operation.verb}", {_path(operation)}, {_query(operation)}, {_body(operation)}'


def _path(operation: Operation) -> str:
    parts = [each for each in operation.arguments if each.where == "path"]
    return (
        f'path_of("{operation.path}"{"".join(f", {each.name}={_safe(each.name)}" for each in parts)})'
        if parts
        else f'"{operation.path}"'
    )


def _query(operation: Operation) -> str:
    return _dictionary(operation, "query")


def _body(operation: Operation) -> str:
    return _dictionary(operation, "body") if operation.has_body else "None"


def _dictionary(operation: Operation, where: str) -> str:
    return "{" + ", ".join(f'"{each.name}": {_safe(each.name)}' for each in operation.arguments if each.where == where) + "}"


def _about(operation: Operation) -> str:
    arguments = " ".join(f"`{_safe(each.name)}`: {each.about.rstrip('.')}." for each in operation.arguments if each.about)
    said = f"{_sentence(operation.summary)}. {operation.about} {arguments}"
    return _docstring(" ".join(said.split()), 8)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


_IMPORTS: Final = "from __future__ import annotations\n\nfrom typing import Any, Literal, NotRequired, TypeAlias, TypedDict\n"
_CLIENT: Final = '''\
from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Self

import httpx

from . import models
from .transport import Event, Interceptor, Token, Transport, path_of


class Client:
    """The API of a node at `url`. Use it with `async with`, or close it.

    token: a token, or a function that gives one for each request; None for operations that anybody may ask.
    timeout: seconds; retries: further attempts where one may be; rate: most requests a second.
    Arguments that are None are not sent. Raises `errors.Problem` and `errors.ConnectionFailed`.
    """

    def __init__(
        self,
        url: str,
        token: Token = None,
        *,
        timeout: float = 30.0,
        retries: int = 4,
        rate: float | None = None,
        interceptors: Sequence[Interceptor] = (),
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.url = url
        self._transport = Transport(
            url, token, timeout=timeout, retries=retries, rate=rate, interceptors=interceptors, http=http
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

'''
_INIT: Final = '''\
"""A client of the appliance's API: typed, asynchronous, with back-off."""

from .client import Client
from .errors import ApiError, ConnectionFailed, Problem
from .transport import Event, Interceptor

__all__ = ["ApiError", "Client", "ConnectionFailed", "Event", "Interceptor", "Problem"]
'''
_PROJECT: Final = """\
[project]
name = "appliance-client"
version = "{version}"
description = "A client of the appliance's API, generated from its description"
readme = "README.md"
license = "MIT"
requires-python = ">=3.11"
dependencies = ["httpx>=0.27"]

[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"
"""
_README: Final = """\
# appliance-client

A client of the appliance's API, generated by `appliance generate-client python`.

```python
import asyncio

from appliance_client import Client, Problem


async def main() -> None:
    async with Client("http://127.0.0.1:8470", token="…") as client:
        print((await client.status())["state"])
        async for peer in client.peers_all():
            print(peer["name"], peer.get("rtt_ms"))
        try:
            await client.lookup(name="nobody")
        except Problem as problem:
            print(problem.code, problem.hint)


asyncio.run(main())
```

- Requests that were not carried out (429, 503) are sent again after a growing pause, or after what `Retry-After` says; those that
  may have been are sent again only if that does no harm. `Client(retries=0)` sends once.
- `Client(rate=10)` sends ten requests a second at most.
- `Client(interceptors=[…])`: each is `async def see(request, proceed)` and returns `await proceed(request)`, or another answer.
- Lists have a second method with `_all`, which goes through all pages. Streams are
  asynchronous iterators that connect again where they were cut off, until the server says that nothing follows.
- `validating.problems("Invite", value)` says what is wrong with a value, by the schema of that name.
"""
