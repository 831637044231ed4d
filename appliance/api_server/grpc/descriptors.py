"""The descriptor of `appliance.proto`, read from its text, as protoc reads it: a node has no protoc.

It reads what `management.descriptions.proto` writes, and nothing else of the language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2, struct_pb2

FILE: Final = "appliance.proto"
_SCALARS: Final = {"string": 9, "int64": 3, "double": 1, "bool": 8}
"""descriptor.proto, FieldDescriptorProto.Type."""
_MESSAGE: Final = 11
_OPTIONAL, _REPEATED = 1, 3
_FIELD: Final = re.compile(
    r"  (?:(optional|repeated) )?(?:map<string, ([\w.]+)>|([\w.]+)) (\w+) = (\d+)(?: \[json_name = \"([^\"]*)\"\])?;"
)
_CALL: Final = re.compile(r"  rpc (\w+)\(([\w.]+)\) returns \((stream )?([\w.]+)\);")
_BEGIN: Final = re.compile(r"(message|service) (\w+) \{")


@cache
def committed() -> str:
    """The text that is in the package."""
    return files(__package__).joinpath(FILE).read_text(encoding="utf-8")


def descriptor(text: str) -> descriptor_pb2.FileDescriptorProto:
    """Of a file. Raises ValueError for a line that is none of ours."""
    found = descriptor_pb2.FileDescriptorProto(name=FILE, syntax="proto3")
    at: Any = None
    for line in _lines(text):
        if package := re.fullmatch(r"package ([\w.]+);", line):
            found.package = package[1]
        elif imported := re.fullmatch(r'import "([^"]+)";', line):
            found.dependency.append(imported[1])
        elif begin := _BEGIN.fullmatch(line):
            at = found.message_type.add(name=begin[2]) if begin[1] == "message" else found.service.add(name=begin[2])
        elif call := _CALL.fullmatch(line):
            made = at.method.add(
                name=call[1], input_type=_type(found.package, call[2]), output_type=_type(found.package, call[4])
            )
            if call[3]:
                made.server_streaming = True
        elif field := _FIELD.fullmatch(line):
            _add_field(found.package, at, field)
        elif line.startswith("  reserved "):
            _reserve(at, line.removeprefix("  reserved ").removesuffix(";"))
        elif line not in {"}", 'syntax = "proto3";'}:
            raise ValueError(f"{line[:80]!r} is no line of {FILE}")
    for message in found.message_type:
        _number_oneofs(message)
    return found


def pool_of(text: str) -> descriptor_pool.DescriptorPool:
    """A pool of its own, so that a program which has the same messages from elsewhere does not meet ours."""
    pool = descriptor_pool.DescriptorPool()
    for known in (empty_pb2, struct_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(descriptor(text).SerializeToString())
    return pool


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("//"):
            yield line


def _type(package: str, name: str) -> str:
    if name.startswith("."):
        return name
    return f".{name}" if "." in name else f".{package}.{name}"


def _add_field(package: str, message: Any, found: re.Match[str]) -> None:
    label, of_map, kind, name, number, json_name = found.groups()
    made = message.field.add(name=name, number=int(number), json_name=json_name or _json_name(name), label=_OPTIONAL)
    if of_map:
        entry = message.nested_type.add(name=f"{_json_name(name)[:1].upper()}{_json_name(name)[1:]}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, json_name="key", label=_OPTIONAL, type=_SCALARS["string"])
        _set_type(package, entry.field.add(name="value", number=2, json_name="value", label=_OPTIONAL), of_map)
        made.label = _REPEATED
        made.type = _MESSAGE
        made.type_name = f".{package}.{message.name}.{entry.name}"
        return
    _set_type(package, made, kind)
    if label == "repeated":
        made.label = _REPEATED
    elif label == "optional":
        made.proto3_optional = True


def _set_type(package: str, field: Any, kind: str) -> None:
    field.type = _SCALARS.get(kind, _MESSAGE)
    if kind not in _SCALARS:
        field.type_name = _type(package, kind)


def _number_oneofs(message: Any) -> None:
    """A field that is optional is alone in a oneof (Protocol Buffers, "Implementing Proto3 Presence")."""
    for field in message.field:
        if field.proto3_optional:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")


def _reserve(message: Any, said: str) -> None:
    for each in said.split(", "):
        if each.startswith('"'):
            message.reserved_name.append(each.strip('"'))
        else:
            message.reserved_range.add(start=int(each), end=int(each) + 1)


def _json_name(field: str) -> str:
    """As protoc makes it."""
    return re.sub(r"_+(.?)", lambda match: match[1].upper(), field)
