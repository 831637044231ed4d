"""A client in TypeScript: types of all models, and a method for each operation, with `fetch` and nothing else.

Integers are `number`, which is exact up to 2^53.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from appliance.management.clients.operations import Argument, Document, Operation, Schema, operations, resolved

_KINDS: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_HEAD: Final = "// {about} Generated from the description of the API, version {version}: do not edit.\n"


def files(document: Document) -> dict[str, str]:
    """The texts of the generated files, by their paths."""
    version = document["info"]["version"]
    return {
        "src/models.ts": _models(document, version),
        "src/client.ts": _client(document, version),
        "src/index.ts": _INDEX,
        "package.json": json.dumps(_package(version), indent=2) + "\n",
        "tsconfig.json": json.dumps(_COMPILER, indent=2) + "\n",
        "README.md": _README,
    }


def written(schema: Any, prefix: str = "models.") -> str:
    """The type of a value. `prefix` stands before names of models."""
    if not isinstance(schema, Mapping) or not schema:
        return "unknown"
    if "$ref" in schema:
        return f"{prefix}{schema['$ref'].rpartition('/')[2]}"
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema.get("enum", [schema.get("const")]))
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _union([written(each, prefix) for each in schema[choice]])
    if len(schema.get("allOf", ())) == 1:
        return written(schema["allOf"][0], prefix)
    kinds = schema.get("type", "")
    if isinstance(kinds, list):
        return _union([written({**schema, "type": kind}, prefix) for kind in kinds])
    if kinds == "array":
        return _list(schema, prefix)
    if kinds == "object":
        more = schema.get("additionalProperties")  # not as a `Record`: a model may have that name
        return f"{{ [name: string]: {written(more, prefix) if isinstance(more, Mapping) else 'unknown'} }}"
    return str(_KINDS.get(kinds, "unknown"))


def _union(kinds: list[str]) -> str:
    return "unknown" if "unknown" in kinds else " | ".join(dict.fromkeys(kinds))


def _list(schema: Schema, prefix: str) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(written(each, prefix) for each in schema['prefixItems'])}]"
    item = written(schema.get("items"), prefix)
    return f"({item})[]" if " | " in item else f"{item}[]"


def _models(document: Document, version: str) -> str:
    parts = [_HEAD.format(about="What operations take and answer.", version=version)]
    parts += [_model(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(parts)


def _model(name: str, schema: Schema) -> str:
    about = _comment(schema.get("description", ""), 0)
    if "properties" not in schema:
        return f"{about}export type {name} = {written(schema, '')};\n"
    required = schema.get("required", ())
    lines = [f"{about}export interface {name} {{"]
    for each, one in schema["properties"].items():
        lines.append(
            f"{_comment(one.get('description', ''), 2)}  {_key(each)}{'' if each in required else '?'}: {written(one, '')};"
        )
    if schema.get("additionalProperties") is True:
        lines.append("  [more: string]: unknown;")
    return "\n".join([*lines, "}\n"])


def _client(document: Document, version: str) -> str:
    methods = [_methods(document, each) for each in operations(document)]
    return _HEAD.format(about="All operations.", version=version) + _CLASS + "\n".join(methods) + "}\n"


def _methods(document: Document, operation: Operation) -> str:
    if operation.stream:
        return _method(
            operation, f"AsyncGenerator<Event<{_result(operation)}>>", f"this.follow({_path(operation)}, {_query(operation)})"
        )
    asked = f'"{operation.verb}", {_path(operation)}, {_query(operation)}, {_body(operation)}'
    told = _method(operation, f"Promise<{_result(operation)}>", f"this.ask({asked})")
    item = _listed(document, operation)
    return told if item is None else f"{told}\n{_all(operation, item)}"


def _method(operation: Operation, result: str, call: str) -> str:
    about = _comment(f"{operation.summary[:1].upper()}{operation.summary[1:]}. {' '.join(operation.about.split())}".strip(), 2)
    return f"{about}  {_camel(operation.name)}({_signature(operation.arguments)}): {result} {{\n    return {call};\n  }}\n"


def _all(operation: Operation, item: Schema) -> str:
    """The pages of a list, one after the other."""
    arguments = tuple(each for each in operation.arguments if each.name != "after")
    name = _camel(operation.name)
    return (
        f"  async *{name}All({_signature(arguments)}): AsyncGenerator<{written(item)}> {{\n"
        '    let after = "";\n'
        "    do {\n"
        f"      const page = await this.{name}({{ ...given, after }});\n"
        "      yield* page.items;\n"
        "      after = page.next;\n"
        '    } while (after !== "");\n'
        "  }\n"
    )


def _listed(document: Document, operation: Operation) -> Schema | None:
    if not operation.pages or operation.result is None:
        return None
    properties = resolved(document, operation.result).get("properties", {})
    return properties["items"].get("items", {}) if {"items", "next"} <= set(properties) else None


def _result(operation: Operation) -> str:
    return "void" if operation.result is None else written(operation.result)


def _signature(arguments: tuple[Argument, ...]) -> str:
    if not arguments:
        return ""
    told = "; ".join(f"{_key(each.name)}{'' if each.required else '?'}: {written(each.schema)}" for each in arguments)
    return f"given: {{ {told} }}" + ("" if any(each.required for each in arguments) else " = {}")


def _path(operation: Operation) -> str:
    text = re.sub(r"\{([^}]+)\}", lambda match: "${part(given" + _member(match[1]) + ")}", operation.path)
    return f"`{text}`" if "${" in text else f'"{text}"'


def _query(operation: Operation) -> str:
    return _dictionary(operation, "query")


def _body(operation: Operation) -> str:
    return _dictionary(operation, "body") if operation.has_body else "undefined"


def _dictionary(operation: Operation, where: str) -> str:
    told = ", ".join(f"{_key(each.name)}: given{_member(each.name)}" for each in operation.arguments if each.where == where)
    return f"{{ {told} }}" if told else "{}"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _member(name: str) -> str:
    return f".{name}" if _NAME.fullmatch(name) else f"[{json.dumps(name)}]"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each[:1].upper() + each[1:] for each in others)


def _comment(said: str, indent: int) -> str:
    pad = " " * indent
    return f"{pad}/** {' '.join(said.split()).replace('*/', '* /')} */\n" if said else ""


def _package(version: str) -> dict[str, Any]:
    return {
        "name": "appliance-client",
        "version": version,
        "description": "A client of the appliance's API, generated from its description",
        "license": "MIT",
        "type": "module",
        "main": "dist/index.js",
        "types": "dist/index.d.ts",
        "files": ["dist"],
        "engines": {"node": ">=18"},
        "scripts": {"build": "tsc", "prepack": "tsc"},
        "devDependencies": {"typescript": ">=5.4"},
    }


_COMPILER: Final[dict[str, Any]] = {
    "compilerOptions": {
        "target": "ES2022",
        "module": "NodeNext",
        "moduleResolution": "NodeNext",
        "lib": ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
        "types": [],
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "exactOptionalPropertyTypes": False,
        "declaration": True,
        "outDir": "dist",
        "rootDir": "src",
    },
    "include": ["src"],
}
_INDEX: Final = """\
export * from "./client.js";
export * from "./transport.js";
export type * as models from "./models.js";
"""
_CLASS: Final = """\
import type * as models from "./models.js";
import { type Event, Transport, part } from "./transport.js";

/** The API of a node. Failed requests throw `Problem` or `ConnectionFailed`. */
export class Client extends Transport {
"""
_README: Final = """\
# appliance-client

A client of the appliance's API, generated by `appliance generate-client typescript`. It needs `fetch` (Node 18, or a browser).

```typescript
import { Client, Problem } from "appliance-client";

const client = new Client("http://127.0.0.1:8470", { token: "…" });
console.log((await client.status()).state);
for await (const peer of client.peersAll()) console.log(peer.name);
try {
  await client.lookup({ name: "nobody" });
} catch (error) {
  if (error instanceof Problem) console.log(error.code, error.hint);
}
```

- Requests that were not carried out (429, 503) are sent again after a growing pause, or after what `Retry-After` says; those that
  may have been are sent again only if that does no harm. `retries: 0` sends once.
- `rate: 10` sends ten requests a second at most. `interceptors` are functions of a request and of what sends it.
- Lists have a second method with `All`, which goes through all pages. Streams are asynchronous generators that connect again
  where they were cut off, until the server says that nothing follows.
"""
