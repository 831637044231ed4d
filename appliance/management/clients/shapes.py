"""What a value looks like, without a language: for clients in languages that have no unions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from appliance.management.clients.operations import Document, Operation, Schema, resolved

_MEMBER: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")
_SCALARS: Final = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean"}


class Scalar(NamedTuple):
    """One plain value."""

    kind: str
    """string, integer (64 bits), number or boolean."""


class Anything(NamedTuple):
    """Whatever JSON has; also where a value may be one of several."""


class Many(NamedTuple):
    """A list."""

    item: Shape


class Table(NamedTuple):
    """An object with any names."""

    item: Shape


class Model(NamedTuple):
    """What the description has under that name."""

    name: str


class Nullable(NamedTuple):
    """A value, or null."""

    item: Shape


Shape = Scalar | Anything | Many | Table | Model | Nullable


def shape(schema: Any) -> Shape:
    """What a schema describes."""
    if not isinstance(schema, Mapping) or not schema:
        return Anything()
    if "$ref" in schema:
        return Model(schema["$ref"].rpartition("/")[2])
    if "const" in schema or "enum" in schema:
        return _one_of([_constant(value) for value in schema.get("enum", [schema.get("const")])])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema and (choice != "allOf" or len(schema[choice]) == 1):
            return _one_of([_NULL if each == {"type": "null"} else shape(each) for each in schema[choice]])
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return _one_of([_NULL if kind == "null" else shape({**schema, "type": kind}) for kind in kinds])
    if kinds == "array":
        items = schema.get("prefixItems") or [schema.get("items")]
        return Many(_one_of([shape(each) for each in items]))
    if kinds == "object":
        more = schema.get("additionalProperties")
        return Table(shape(more) if isinstance(more, Mapping) and not schema.get("properties") else Anything())
    return Scalar(_SCALARS[kinds]) if kinds in _SCALARS else Anything()


def is_record(schema: Schema) -> bool:
    """Has it members with names? Other models are only names for a shape."""
    return bool(schema.get("properties"))


def is_open(schema: Schema) -> bool:
    """May it have members that the description does not name?"""
    return schema.get("additionalProperties", True) is not False


def members(schema: Schema) -> dict[str, Schema]:
    """The members of a record that can have a field: their names are what any language can quote."""
    return {name: one for name, one in schema["properties"].items() if _MEMBER.fullmatch(name)}


def listed(document: Document, operation: Operation) -> Schema | None:
    """What a list is of; None if the answer is no page that has a way to the next one."""
    after = next((each for each in operation.arguments if each.name == "after"), None)
    if not operation.pages or operation.result is None or after is None or after.required:
        return None
    properties = resolved(document, operation.result).get("properties", {})
    if not {"items", "next"} <= set(properties) or not isinstance(shape(properties["items"]), Many):
        return None
    item: Schema = properties["items"].get("items", {})
    return item if shape(properties["next"]) == Scalar("string") == shape(after.schema) else None


def is_secret(schema: Any) -> bool:
    """Is it a text that nobody but its reader should see?"""
    return isinstance(schema, Mapping) and (schema.get("format") == "password" or schema.get("writeOnly") is True)


def models_of(document: Document, asked: list[Operation]) -> list[str]:
    """The models that arguments and answers of these operations consist of, by name. Raises ValueError for a circle of names."""
    schemas = document["components"]["schemas"]
    found: dict[str, None] = {}
    ahead = [
        shape(each)
        for one in asked
        for each in (*(argument.schema for argument in one.arguments), one.result)
        if each is not None
    ]
    while ahead:
        name = _model_in(ahead.pop())
        if name is not None and name not in found:
            found[name] = None
            ahead += _parts(document, schemas[name])
    return sorted(found)


def circular(document: Document, names: list[str], *, through_null: bool) -> frozenset[str]:
    """The models that would hold themselves if each stood within the other, so that a pointer has to be between them. With
    `through_null`, what may be null stands within as well."""
    schemas = document["components"]["schemas"]
    within = {name: _within(schemas[name], through_null) for name in names}
    return frozenset(name for name in names if _reaches(within, name))


def endless(schemas: Mapping[str, Schema], name: str) -> bool:
    """Is a model only a name for a shape in which the same name stands again?"""
    seen = set[str]()
    one: str | None = name
    while one is not None and not is_record(schemas[one]):
        if one in seen:
            return True
        seen.add(one)
        one = _model_in(shape(schemas[one]))
    return False


def _parts(document: Document, schema: Schema) -> list[Shape]:
    """Shapes that a model is made of."""
    resolved(document, schema)  # a circle of nothing but names has no end
    return [shape(each) for each in schema["properties"].values()] if is_record(schema) else [shape(schema)]


def _model_in(one: Shape) -> str | None:
    while isinstance(one, Many | Table | Nullable):
        one = one.item
    return one.name if isinstance(one, Model) else None


def _within(schema: Schema, through_null: bool) -> list[str]:
    found = [shape(each) for each in schema["properties"].values()] if is_record(schema) else []
    if through_null:
        found = [each.item if isinstance(each, Nullable) else each for each in found]
    return [each.name for each in found if isinstance(each, Model)]


def _reaches(within: Mapping[str, list[str]], name: str) -> bool:
    seen: set[str] = set()
    ahead = list(within[name])
    while ahead:
        if (one := ahead.pop()) == name:
            return True
        if one not in seen:
            seen.add(one)
            ahead += within[one]
    return False


_NULL: Final = None


def _one_of(choices: list[Shape | None]) -> Shape:
    """One shape for several; None stands for null."""
    known = [each.item if isinstance(each, Nullable) else each for each in choices if each is not None]
    one = known[0] if known and len(set(known)) == 1 else Anything()
    may_be_null = any(each is None or isinstance(each, Nullable) for each in choices)
    return Nullable(one) if may_be_null and one != Anything() else one


def _constant(value: Any) -> Shape | None:
    if value is None:
        return None
    for kind, name in ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number")):
        if isinstance(value, kind):
            return Scalar(name)
    return Anything()
