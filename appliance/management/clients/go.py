"""A client in Go 1.19, on its standard library alone: records for models and arguments, and a method for each operation. What
carries requests is written by hand, beside it.

What is written is as gofmt would write it.
"""

from __future__ import annotations

import re
from typing import Final

from appliance.management.clients.operations import Argument, Document, Operation, Schema, operations
from appliance.management.clients.shapes import (
    Anything,
    Many,
    Model,
    Nullable,
    Scalar,
    Shape,
    Table,
    circular,
    is_open,
    is_record,
    listed,
    members,
    models_of,
    shape,
)
from appliance.management.clients.words import Names, comment, pascal, sentence

MODULE: Final = "appliance.internal/client"
_CAPITALS: Final = frozenset({"api", "id", "ip", "tls", "ttl", "uid", "uri", "url", "uuid"})
"""Words that Go writes in capital letters (Go Code Review Comments, Initialisms)."""
_SCALARS: Final = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool"}
_HEAD: Final = "// Code generated from the description of the API, version {version}. DO NOT EDIT.\n\n"


def files(document: Document) -> dict[str, str]:
    """The texts of the generated files, by their paths."""
    return {
        "models/models.go": _Models(document).text(),
        "operations.go": _Client(document).text(),
        "version.go": _HEAD.format(version=document["info"]["version"]) + _VERSION.format(document["info"]["version"]),
        "go.mod": f"module {MODULE}\n\ngo 1.19\n",
    }


class Types:
    """How values are written."""

    def __init__(self, document: Document) -> None:
        schemas = document["components"]["schemas"]
        self.document = document
        self.names = models_of(document, operations(document))
        taken = Names()
        self.model = {name: taken.given(pascal(name, _CAPITALS)) for name in self.names}
        self.schemas = {name: schemas[name] for name in self.names}

    def written(self, one: Shape, prefix: str = "models.") -> str:
        """The type of a value. `prefix` stands before names of models."""
        match one:
            case Scalar(kind):
                return _SCALARS[kind]
            case Many(item):
                return f"[]{self.written(item, prefix)}"
            case Table(item):
                return f"map[string]{self.written(item, prefix)}"
            case Model(name):
                return f"{prefix}{self.model[name]}"
            case Nullable(item):
                return self.optional(item, prefix)
        return "any"

    def optional(self, one: Shape, prefix: str = "models.") -> str:
        """The same, or nil."""
        kind = self.written(one, prefix)
        return kind if self.can_be_nil(one) else f"*{kind}"

    def can_be_nil(self, one: Shape) -> bool:
        """Is nil one of its values?"""
        while isinstance(one, Model) and not is_record(self.schemas[one.name]):
            one = shape(self.schemas[one.name])
        return isinstance(one, Anything | Many | Table | Nullable)


class _Models:
    def __init__(self, document: Document) -> None:
        self._types = Types(document)
        self._version = document["info"]["version"]
        self._circular = circular(document, self._types.names, through_null=False)

    def text(self) -> str:
        models = [self._model(name, schema) for name, schema in self._types.schemas.items()]
        return (_HEAD.format(version=self._version) + _MODELS + "\n".join(models)).rstrip() + "\n"

    def _model(self, name: str, schema: Schema) -> str:
        own = self._types.model[name]
        about = comment(f"{own}: {schema.get('description', name)}", "//")
        if not is_record(schema):
            kind = self._types.written(shape(schema), "")
            equal = "" if kind.startswith(("[]", "map[")) else "= "  # a type of its own may hold itself
            return f"{about}type {own} {equal}{kind}\n"
        return f"{about}type {own} struct {{\n{self._fields(schema)}}}\n" + (self._reader(own, schema) if is_open(schema) else "")

    def _fields(self, schema: Schema) -> str:
        names, fields = Names(["OtherMembers", "UnmarshalJSON"]), list[str]()
        for name, one in members(schema).items():
            about = comment(one.get("description", "") if isinstance(one, dict) else "", "//", "\t")
            required = name in schema.get("required", ()) or (isinstance(one, dict) and "default" in one)
            tag = f'`json:"{name}{"" if name in schema.get("required", ()) else ",omitempty"}"`'
            fields.append(f"{about}\t{names.given(pascal(name, _CAPITALS))} {self._field(shape(one), required)} {tag}\n")
        if is_open(schema):
            fields.append('\t// OtherMembers: what else the answer had.\n\tOtherMembers map[string]json.RawMessage `json:"-"`\n')
        return "\n".join(fields)

    def _field(self, one: Shape, required: bool) -> str:
        pointed = isinstance(one, Model) and one.name in self._circular
        return self._types.written(one, "") if required and not pointed else self._types.optional(one, "")

    def _reader(self, own: str, schema: Schema) -> str:
        known = "".join(f', "{name}"' for name in members(schema))
        return _READER.format(own=own, known=known)


class _Client:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._types = Types(document)
        self._methods = Names(["Close"])
        self._records = Names()

    def text(self) -> str:
        parts = [self._operation(each) for each in operations(self._document)]
        told = "\n".join(parts)
        imports = [f'{"" if "." not in name else chr(10)}\t"{name}"\n' for name, sign in _IMPORTS.items() if sign in told]
        head = _HEAD.format(version=self._document["info"]["version"])
        return f"{head}package client\n\nimport (\n{''.join(imports)})\n\n{told}"

    def _operation(self, operation: Operation) -> str:
        own = self._methods.given(pascal(operation.name, _CAPITALS))
        fields = _fields(operation.arguments)
        record = self._records.given(f"{own}Arguments") if operation.arguments else ""
        parts = [self._record(operation, own, record, fields)] if record else []
        if operation.stream:
            parts.append(self._stream(operation, own, record, fields))
        else:
            parts.append(self._method(operation, own, record, fields))
            if (item := listed(self._document, operation)) is not None:
                parts.append(self._all(operation, own, record, fields, item))
        return "\n".join(parts)

    def _record(self, operation: Operation, own: str, record: str, fields: dict[str, str]) -> str:
        parts = []
        for each in operation.arguments:
            about = comment(each.about, "//", "\t")
            one = shape(each.schema)
            kind = self._types.written(one) if each.required else self._types.optional(one)
            parts.append(f"{about}\t{fields[each.name]} {kind}\n")
        about = comment(f"{record}: what {own} takes. What is nil is not sent.", "//")
        return f"{about}type {record} struct {{\n{chr(10).join(parts)}}}\n"

    def _method(self, operation: Operation, own: str, record: str, fields: dict[str, str]) -> str:
        given = f", arguments {record}" if record else ""
        head = f"func (c *Client) {own}(ctx context.Context{given}, options ...CallOption)"
        setup, request = self._request(operation, fields)
        if operation.result is None:
            return f"{_about(own, operation)}{head} error {{\n{setup}\treturn do(ctx, c, {request}, options)\n}}\n"
        one = shape(operation.result)
        call = f"ask[{self._types.written(one)}](ctx, c, {request}, options)"
        call = f"value({call})" if self._types.can_be_nil(one) else call
        return f"{_about(own, operation)}{head} ({self._types.optional(one)}, error) {{\n{setup}\treturn {call}\n}}\n"

    def _stream(self, operation: Operation, own: str, record: str, fields: dict[str, str]) -> str:
        kind = self._types.written(shape(operation.result or {}))
        given = f", arguments {record}" if record else ""
        setup, request = self._request(operation, fields)
        return (
            f"{_about(own, operation)}func (c *Client) {own}(ctx context.Context{given}) *Stream[{kind}] {{\n"
            f"{setup}\treturn follow[{kind}](ctx, c, {request})\n}}\n"
        )

    def _all(self, operation: Operation, own: str, record: str, fields: dict[str, str], item: Schema) -> str:
        """The pages of a list, one after the other."""
        name = self._methods.given(f"{own}All")
        about = comment(f"{name}: {sentence(operation.summary)}, from all pages, one after the other.", "//")
        kind = self._types.written(shape(item))
        return about + _ALL.format(name=name, own=own, record=record, kind=kind, after=fields["after"])

    def _request(self, operation: Operation, fields: dict[str, str]) -> tuple[str, str]:
        """Statements before a request, and the request."""
        lines, more = list[str](), ""
        if asked := [each for each in operation.arguments if each.where == "query"]:
            lines += ["query := url.Values{}", *(f'add(query, "{each.name}", arguments.{fields[each.name]})' for each in asked)]
            more += ", query: query"
        if operation.has_body:
            lines.append("body := members{}")
            lines += [
                line for each in operation.arguments if each.where == "body" for line in self._into_body(each, fields[each.name])
            ]
            more += ", body: body"
        return "".join(
            f"\t{line}\n" for line in lines
        ), f'request{{verb: "{operation.verb}", path: {_path(operation, fields)}{more}}}'

    def _into_body(self, argument: Argument, field: str) -> list[str]:
        one = shape(argument.schema)
        if not argument.required:
            return [f"if arguments.{field} != nil {{", f'\tbody["{argument.name}"] = arguments.{field}', "}"]
        value = f"list(arguments.{field})" if isinstance(one, Many) else f"arguments.{field}"
        return [f'body["{argument.name}"] = {value}']


def _fields(arguments: tuple[Argument, ...]) -> dict[str, str]:
    names = Names()
    return {each.name: names.given(pascal(each.name, _CAPITALS)) for each in arguments}


def _path(operation: Operation, fields: dict[str, str]) -> str:
    pieces = re.split(r"\{([^}]+)\}", operation.path)
    told = [f"part(arguments.{fields[piece]})" if number % 2 else f'"{piece}"' for number, piece in enumerate(pieces) if piece]
    return " + ".join(told)


def _about(name: str, operation: Operation) -> str:
    return comment(f"{name}: {sentence(operation.summary)}. {operation.about}", "//")


_IMPORTS: Final = {"context": "context.", "net/url": "url.", f"{MODULE}/models": "models."}
_VERSION: Final = 'package client\n\n// Version is that of the description.\nconst Version = "{}"\n'
_MODELS: Final = """\
// Package models has what operations take and answer.
package models

import "encoding/json"

// others leaves the members of an object that have no field of their own. Numbers stay as they were written.
func others(data []byte, into *map[string]json.RawMessage, known ...string) error {
	if err := json.Unmarshal(data, into); err != nil {
		return err
	}
	for _, name := range known {
		delete(*into, name)
	}
	return nil
}

"""
_READER: Final = """
// UnmarshalJSON reads an object, with members that have no field.
func (m *{own}) UnmarshalJSON(data []byte) error {{
	type plain {own}
	if err := json.Unmarshal(data, (*plain)(m)); err != nil {{
		return err
	}}
	return others(data, &m.OtherMembers{known})
}}
"""
_ALL: Final = """\
func (c *Client) {name}(ctx context.Context, arguments {record}, options ...CallOption) *Pages[{kind}] {{
	return paged(func(after string) ([]{kind}, string, error) {{
		if after != "" {{
			arguments.{after} = &after
		}}
		page, err := c.{own}(ctx, arguments, options...)
		if err != nil {{
			return nil, "", err
		}}
		return page.Items, page.Next, nil
	}})
}}
"""
