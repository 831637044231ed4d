"""A client in Rust 1.63: records for models and arguments, and a method for each operation. What carries requests is written by
hand, beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

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
    endless,
    is_open,
    is_record,
    is_secret,
    listed,
    members,
    models_of,
    shape,
)
from appliance.management.clients.words import Names, comment, pascal, sentence, snake

_SCALARS: Final = {"string": "String", "integer": "i64", "number": "f64", "boolean": "bool"}
# fmt: off
_KEYWORDS: Final = frozenset({
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
})
_TYPES: Final = (
    "BTreeMap", "Box", "Client", "Default", "Error", "Map", "Option", "Pages", "Self", "Stream", "String", "Value", "Vec",
)
"""Names that the generated files use themselves."""
_OWN: Final = (
    "ask", "attempt", "builder", "clone", "exchanged", "fmt", "follow", "head", "new", "retries", "run", "sent", "turn", "wait",
    "with_key", "with_request_id",
)
"""Methods of the client's own."""
# fmt: on
_RELEASE: Final = re.compile(r"(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?")
_HEAD: Final = "// Generated from the description of the API, version {version}: do not edit.\n\n"


def files(document: Document) -> dict[str, str]:
    """The texts of the generated files, by their paths."""
    version = document["info"]["version"]
    return {
        "src/models.rs": _Models(document).text(),
        "src/operations.rs": _Client(document).text(),
        "Cargo.toml": _CARGO.format(version=_release(version)),
    }


def _release(version: str) -> str:
    """As Cargo wants versions: three numbers."""
    found = _RELEASE.match(version)
    return ".".join(str(int(part or "0")) for part in (found.groups() if found else ("0", "0", "0")))


class Types:
    """How values are written."""

    def __init__(self, document: Document) -> None:
        self.names = models_of(document, operations(document))
        taken = Names(_TYPES)
        self.model = {name: taken.given(pascal(name)) for name in self.names}
        self.schemas: Mapping[str, Schema] = {name: document["components"]["schemas"][name] for name in self.names}
        self.circular = circular(document, self.names, through_null=True)

    def written(self, one: Shape, prefix: str = "models::") -> str:
        """The type of a value. `prefix` stands before names of models."""
        match one:
            case Scalar(kind):
                return _SCALARS[kind]
            case Many(item):
                return f"Vec<{self.written(item, prefix)}>"
            case Table(item):
                return f"BTreeMap<String, {self.written(item, prefix)}>"
            case Model(name):
                return f"{prefix}{self.model[name]}"
            case Nullable(item):
                return f"Option<{self.written(item, prefix)}>"
        return "Value"

    def optional(self, one: Shape, prefix: str = "models::") -> str:
        """The same, or None."""
        return self.written(one if isinstance(one, Nullable) else Nullable(one), prefix)


class _Models:
    def __init__(self, document: Document) -> None:
        self._types = Types(document)
        self._version = document["info"]["version"]

    def text(self) -> str:
        models = [self._model(name, schema) for name, schema in self._types.schemas.items()]
        return _HEAD.format(version=self._version) + _MODELS + "\n".join(models)

    def _model(self, name: str, schema: Schema) -> str:
        own = self._types.model[name]
        about = comment(sentence(schema.get("description", name)), "///")
        if not is_record(schema):
            one = Anything() if endless(self._types.schemas, name) else shape(schema)
            return f"{about}pub type {own} = {self._types.written(one, '')};\n"
        names = Names(["other_members"])
        fields = {each: names.given(_name(each)) for each in members(schema)}
        secret = [fields[each] for each, one in members(schema).items() if is_secret(one)]
        derived = "Clone, Default, PartialEq, Serialize, Deserialize"
        parts = [
            self._field(each, one, fields[each], each in schema.get("required", ())) for each, one in members(schema).items()
        ]
        if is_open(schema):
            parts.append(
                "    /// What else the answer had.\n    #[serde(flatten)]\n    pub other_members: BTreeMap<String, Value>,\n"
            )
        told = f"{about}#[derive({derived if secret else f'Debug, {derived}'})]\n#[serde(default)]\npub struct {own} {{\n"
        return f"{told}{''.join(parts)}}}\n" + (_shown(own, fields.values(), secret) if secret else "")

    def _field(self, name: str, schema: Any, field: str, required: bool) -> str:
        told = schema if isinstance(schema, Mapping) else {}
        one = shape(schema)
        inner = one.item if isinstance(one, Nullable) else one
        if isinstance(inner, Model) and inner.name in self._types.circular:
            kind = f"Option<Box<{self._types.written(inner, '')}>>"
        else:
            kind = self._types.written(one, "") if required or "default" in told else self._types.optional(one, "")
        says = [f'rename = "{name}"'] if field != name else []
        says += ['skip_serializing_if = "Option::is_none"'] if not required and kind.startswith("Option<") else []
        serde = f"    #[serde({', '.join(says)})]\n" if says else ""
        return f"{comment(told.get('description', ''), '///', '    ')}{serde}    pub {field}: {kind},\n"


class _Client:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._types = Types(document)
        self._methods = Names(_OWN)
        self._records = Names(_TYPES)

    def text(self) -> str:
        records, methods = list[str](), list[str]()
        for operation in operations(self._document):
            own = self._methods.given(_name(operation.name))
            fields = _fields(operation.arguments)
            record = self._records.given(f"{pascal(operation.name)}Arguments") if operation.arguments else ""
            if record:
                records.append(self._record(operation, own, record, fields))
            methods.append(self._method(operation, own, record, fields))
            if not operation.stream and (item := listed(self._document, operation)) is not None:
                methods.append(self._all(operation, own, record, fields, item))
        told = "\n".join(records) + "\nimpl Client {\n" + "\n".join(methods) + "}\n"
        version = self._document["info"]["version"]
        uses = "".join(f"{text}\n" for sign, text in _USES.items() if re.search(sign, told))
        return f"{_HEAD.format(version=version)}{uses}\n{_VERSION.format(version)}\n{told}"

    def _record(self, operation: Operation, own: str, record: str, fields: dict[str, str]) -> str:
        parts = []
        for each in operation.arguments:
            one = shape(each.schema)
            kind = self._types.written(one) if each.required else self._types.optional(one)
            parts.append(f"{comment(each.about, '///', '    ')}    pub {fields[each.name]}: {kind},\n")
        secret = [fields[each.name] for each in operation.arguments if is_secret(each.schema)]
        about = comment(f"What `{own}` takes. What is None is not sent.", "///")
        derived = "Clone, Default, PartialEq" if secret else "Clone, Debug, Default, PartialEq"
        told = f"{about}#[derive({derived})]\npub struct {record} {{\n{''.join(parts)}}}\n"
        return told + (_shown(record, fields.values(), secret) if secret else "")

    def _method(self, operation: Operation, own: str, record: str, fields: dict[str, str]) -> str:
        given = f", arguments: &{record}" if record else ""
        setup, request = self._request(operation, fields)
        kind = "()" if operation.result is None else self._types.written(shape(operation.result))
        if operation.stream:
            answer, call = f"Stream<{self._types.written(shape(operation.result or {}))}>", "self.follow(request)"
        else:
            answer, call = f"Result<{kind}, Error>", "self.ask(request)" if operation.result is not None else "self.run(request)"
        return (
            f"{_about(operation)}    pub fn {own}(&self{given}) -> {answer} {{\n"
            f"        let {'mut ' if setup else ''}request = {request};\n{setup}        {call}\n    }}\n"
        )

    def _all(self, operation: Operation, own: str, record: str, fields: dict[str, str], item: Schema) -> str:
        """The pages of a list, one after the other."""
        name = self._methods.given(f"{own}_all")
        kind = self._types.written(shape(item))
        about = comment(f"{sentence(operation.summary)}, from all pages, one after the other.", "///", "    ")
        return about + _ALL.format(name=name, own=own, record=record, kind=kind, after=fields["after"])

    def _request(self, operation: Operation, fields: dict[str, str]) -> tuple[str, str]:
        """Statements behind the making of a request, and how it is made."""
        lines = ["request.with_body();"] if operation.has_body else []
        for each in operation.arguments:
            if each.where != "path":
                verb = "query" if each.where == "query" else "body"
                lines.append(f'request.{verb}("{each.name}", &arguments.{fields[each.name]});')
        return "".join(f"        {line}\n" for line in lines), f'Request::new("{operation.verb}", {_path(operation, fields)})'


def _name(name: str) -> str:
    said = snake(name)
    return f"{said}_" if said in _KEYWORDS else said


def _fields(arguments: tuple[Argument, ...]) -> dict[str, str]:
    names = Names()
    return {each.name: names.given(_name(each.name)) for each in arguments}


def _path(operation: Operation, fields: dict[str, str]) -> str:
    pieces = re.split(r"\{([^}]+)\}", operation.path)
    if len(pieces) == 1:
        return f'"{operation.path}".to_owned()'
    form = "".join("{}" if number % 2 else piece for number, piece in enumerate(pieces))
    return f'format!("{form}"{"".join(f", part(&arguments.{fields[piece]})" for piece in pieces[1::2])})'


def _about(operation: Operation) -> str:
    return comment(f"{sentence(operation.summary)}. {operation.about}", "///", "    ")


def _shown(own: str, fields: Any, secret: list[str]) -> str:
    """How a record with secrets is printed: without them."""
    told = "".join(f'            .field("{each}", &self.{each})\n' for each in fields if each not in secret)
    return _DEBUG.format(own=own, told=told)


_USES: Final = {
    r"\bBTreeMap<": "use std::collections::BTreeMap;\n",
    r"\bValue\b": "use serde_json::Value;\n",
    r"\bError>": "use crate::errors::Error;",
    r"\bmodels::": "use crate::models;",
    r"\bPages<": "use crate::pages::Pages;",
    r"\bRequest::": "use crate::request::Request;",
    r"\bpart\(": "use crate::request::part;",
    r"\bStream<": "use crate::streams::Stream;",
    r"\bClient\b": "use crate::transport::Client;",
}
_VERSION: Final = '/// The version of the description.\npub const VERSION: &str = "{}";\n'
_MODELS: Final = """\
//! What operations take and answer. A member that an answer does not have is as if it were empty.

#![allow(unused_imports)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

"""
_DEBUG: Final = """
impl std::fmt::Debug for {own} {{
    /// Without what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{
        f.debug_struct("{own}")
{told}            .finish_non_exhaustive()
    }}
}}
"""
_ALL: Final = """\
    pub fn {name}(&self, arguments: &{record}) -> Pages<{kind}> {{
        let client = self.clone();
        let mut arguments = arguments.clone();
        Pages::new(move |after: Option<String>| {{
            if after.is_some() {{
                arguments.{after} = after;
            }}
            let page = client.{own}(&arguments)?;
            Ok((page.items, page.next))
        }})
    }}
"""
_CARGO: Final = """\
[package]
name = "appliance-client"
version = "{version}"
edition = "2021"
rust-version = "1.63"
description = "A client of the appliance's API, generated from its description"
license = "MIT"
readme = "README.md"
publish = false

[features]
default = ["tls"]
tls = ["openssl"]

[dependencies]
httparse = "1.8"
openssl = {{ version = "0.10", optional = true }}
serde = {{ version = "1", features = ["derive"] }}
serde_json = "1"
"""
