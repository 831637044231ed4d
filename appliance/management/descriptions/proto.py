"""The API as Protocol Buffers (proto3): a service for each tag, a message for each model.

The JSON of a message (protobuf, "JSON Mapping") is that of the API over HTTP: `json_name` sees to that. What has no schema,
or one that proto3 cannot say (a list of lists, this or that), is a google.protobuf.Value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from appliance.management.clients.operations import Argument, Operation, operations, resolved
from appliance.management.descriptions.numbers import Numbers

PACKAGE: Final = "appliance.v1"
_SCALARS: Final = {"string": "string", "integer": "int64", "number": "double", "boolean": "bool"}
_VALUE, _STRUCT = "google.protobuf.Value", "google.protobuf.Struct"
_WHOLE: Final = f".{PACKAGE}."
"""Before the name of a message where a call may be called the same."""
_OTHERS: Final = "other_members"
"""The field for members that the schema does not name."""
_HEAD: Final = """\
// The API of the appliance. Generated from the table of operations (make schemas): do not edit.
// Numbers of fields are kept in proto-numbers.json and never move.
syntax = "proto3";

package appliance.v1;

import "google/protobuf/empty.proto";
import "google/protobuf/struct.proto";
"""


class Type(NamedTuple):
    """The type of a field."""

    name: str
    label: str = ""
    """repeated, optional or nothing."""


def text(document: Mapping[str, Any], numbers: Numbers) -> str:
    """The file. `numbers` gets those of fields that it does not know."""
    made = _Proto(document, numbers)
    found = [each for each in operations(document) if _tag(document, each) != "Probes"]
    return "\n".join([_HEAD, *made.services(found), *made.messages(found)])


class _Proto:
    def __init__(self, document: Mapping[str, Any], numbers: Numbers) -> None:
        self._document = document
        self._numbers = numbers

    def services(self, found: list[Operation]) -> Iterator[str]:
        for tag in dict.fromkeys(_tag(self._document, each) for each in found):
            calls = [self._call(each) for each in found if _tag(self._document, each) == tag]
            yield f"service {_camel(tag)}Service {{\n" + "\n".join(calls) + "\n}\n"

    def messages(self, found: list[Operation]) -> Iterator[str]:
        made = {f"{_camel(each.name)}Request": self._request(each) for each in found}
        made |= {f"{_camel(each.name)}Item": self._item(each) for each in found if each.stream}
        for name, schema in self._document["components"]["schemas"].items():
            if "properties" in schema and not name.endswith("Body"):
                made[name] = self._model(name, schema)
        yield from (made[name] for name in sorted(made))

    def _call(self, operation: Operation) -> str:
        name = _camel(operation.name)
        answer = f"stream {_WHOLE}{name}Item" if operation.stream else self._answer(operation.result)
        return f"{_comment(operation.summary, 2)}  rpc {name}({_WHOLE}{name}Request) returns ({answer});"

    def _answer(self, result: Mapping[str, Any] | None) -> str:
        if result is None:
            return "google.protobuf.Empty"
        kind = self._type(result).name
        return kind if "." in kind else f"{_WHOLE}{kind}"

    def _request(self, operation: Operation) -> str:
        fields = {each.name: self._argument(each) for each in operation.arguments}
        about = {each.name: each.about for each in operation.arguments}
        return self._message(f"{_camel(operation.name)}Request", "", fields, about)

    def _argument(self, argument: Argument) -> Type:
        return self._field(argument.schema, required=argument.required)

    def _item(self, operation: Operation) -> str:
        data = self._type(operation.result or {})
        fields = {"id": Type("string"), "event": Type("string"), "data": Type(data.name)}
        about = {"id": "Ask with the last one that came, to go on behind it.", "event": "The kind of event."}
        return self._message(f"{_camel(operation.name)}Item", "", fields, about)

    def _model(self, name: str, schema: Mapping[str, Any]) -> str:
        required = schema.get("required", ())
        fields = {each: self._field(one, required=each in required) for each, one in schema["properties"].items()}
        if schema.get("additionalProperties") is True and _OTHERS not in fields:
            fields[_OTHERS] = Type(_STRUCT)
        about = {each: one.get("description", "") for each, one in schema["properties"].items()}
        return self._message(name, schema.get("description", ""), fields, about | {_OTHERS: "Members without a field."})

    def _message(self, name: str, said: str, fields: Mapping[str, Type], about: Mapping[str, str]) -> str:
        numbers = self._numbers.of(name, fields)
        lines = [f"{_comment(said, 0)}message {name} {{"]
        gone = {each: number for each, number in numbers.items() if each not in fields}
        if gone:
            lines.append(f"  reserved {', '.join(map(str, gone.values()))};")
            lines.append(f"  reserved {', '.join(f'{_identifier(each)!r}' for each in gone)};".replace("'", '"'))
        for each, kind in sorted(fields.items(), key=lambda pair: numbers[pair[0]]):
            label = f"{kind.label} " if kind.label else ""
            field = _identifier(each)
            option = "" if _default_json(field) == each or each == _OTHERS else f' [json_name = "{each}"]'
            lines.append(f"{_comment(about.get(each, ''), 2)}  {label}{kind.name} {field} = {numbers[each]}{option};")
        return "\n".join([*lines, "}\n"])

    def _field(self, schema: Any, *, required: bool) -> Type:
        kind = self._type(schema)
        plain = not kind.label and not kind.name.startswith("map<")
        return kind._replace(label="optional") if plain and not required else kind

    def _type(self, schema: Any) -> Type:
        """The type of a value; a value that may be null is optional."""
        schema = _flat(schema)
        if "$ref" in schema:
            return self._reference(schema)
        options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
        if options:
            return self._optional(options[0]) if len(options) == 1 else Type(_VALUE)
        kind = schema.get("type")
        if kind == "array":
            return self._list(schema)
        if kind == "object":
            return self._object(schema)
        if isinstance(kind, str) and kind in _SCALARS:
            return Type(_SCALARS[kind])
        return Type("string") if all(isinstance(each, str) for each in schema.get("enum", (0,))) else Type(_VALUE)

    def _reference(self, schema: Mapping[str, Any]) -> Type:
        found = resolved(self._document, schema)
        return Type(schema["$ref"].rpartition("/")[2]) if "properties" in found else self._type(found)

    def _optional(self, schema: Any) -> Type:
        kind = self._type(schema)
        return kind if kind.label or kind.name.startswith("map<") else kind._replace(label="optional")

    def _list(self, schema: Mapping[str, Any]) -> Type:
        item = self._type(schema.get("items", {})) if "prefixItems" not in schema else Type(_VALUE)
        plain = not item.label and not item.name.startswith("map<")
        return Type(item.name if plain else _VALUE, "repeated")

    def _object(self, schema: Mapping[str, Any]) -> Type:
        more = schema.get("additionalProperties")
        if not isinstance(more, Mapping) or not more or schema.get("properties"):
            return Type(_STRUCT)
        value = self._type(more)
        plain = not value.label and not value.name.startswith("map<")
        return Type(f"map<string, {value.name if plain else _VALUE}>")


def call_name(operation: str) -> str:
    """What the call of an operation is called: "users.set_password" is UsersSetPassword."""
    return _camel(operation)


def _flat(schema: Any) -> Mapping[str, Any]:
    """Without `allOf` around one schema; nothing is known of anything else than a mapping."""
    if not isinstance(schema, Mapping):
        return {}
    found: Mapping[str, Any] = schema["allOf"][0] if len(schema.get("allOf", ())) == 1 else schema
    return found


def _tag(document: Mapping[str, Any], operation: Operation) -> str:
    return str(document["paths"][operation.path][operation.verb.lower()]["tags"][0])


def _camel(words: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", words))


def _identifier(name: str) -> str:
    found = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"f_{found}" if found[:1].isdigit() else found


def _default_json(field: str) -> str:
    """The name that protoc gives a field in JSON."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), field)


def _comment(said: str, indent: int) -> str:
    return "".join(f"{' ' * indent}// {line}\n" for line in said.splitlines())
