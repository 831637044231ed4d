"""Messages as the JSON of the API, and back. Names are those of JSON over HTTP, and 64 bits stay a number: the JSON mapping of
protobuf would make them text, which the models do not take for one.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import json_format

OTHERS: Final = "other_members"
"""The field for members without one of their own."""
_EMPTY: Final = "google.protobuf.Empty"
_FREE: Final = {"google.protobuf.Value", "google.protobuf.Struct"}


def json_of(message: Any) -> dict[str, Any]:
    """What was set, and what has no way to be absent. An empty list or mapping is one that was left out."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if message.HasField(field.name) if field.has_presence else bool(value) or not field.is_repeated:
            found |= _free(value) if field.name == OTHERS else {field.json_name: _plain(field, value)}
    return found


def fill(message: Any, value: Any) -> Any:
    """The message, filled from JSON. Raises TypeError, ValueError and json_format.ParseError where they do not fit."""
    name = message.DESCRIPTOR.full_name
    if name in _FREE:
        return json_format.ParseDict(value, message)
    if name == _EMPTY:
        return message
    by_name = {field.json_name: field for field in message.DESCRIPTOR.fields if field.name != OTHERS}
    for key, one in value.items():
        if key in by_name and one is not None:
            _set(message, by_name[key], one)
    others = {key: one for key, one in value.items() if key not in by_name}
    if others and OTHERS in message.DESCRIPTOR.fields_by_name:
        json_format.ParseDict(others, getattr(message, OTHERS))
    return message


def _set(message: Any, field: Any, value: Any) -> None:
    held = getattr(message, field.name)
    if _is_map(field):
        of = field.message_type.fields_by_name["value"]
        for key, one in value.items():
            if of.message_type is None:
                held[key] = one
            else:
                fill(held[key], one)
    elif field.message_type is None and field.is_repeated:
        held.extend(value)
    elif field.message_type is None:
        setattr(message, field.name, value)
    elif field.is_repeated:
        for one in value:
            fill(held.add(), one)
    else:
        held.SetInParent()
        fill(held, value)


def _plain(field: Any, value: Any) -> Any:
    if _is_map(field):
        of = field.message_type.fields_by_name["value"]
        return {key: _one(of, value[key]) for key in value}
    return [_one(field, each) for each in value] if field.is_repeated else _one(field, value)


def _one(field: Any, value: Any) -> Any:
    if field.message_type is None:
        return value
    return _free(value) if field.message_type.full_name in _FREE else json_of(value)


def _free(message: Any) -> Any:
    """A Value or a Struct. It has numbers of one kind only, and a whole one is meant as such."""
    if message.DESCRIPTOR.name == "Struct":
        return {key: _free(message.fields[key]) for key in message.fields}
    kind = message.WhichOneof("kind")
    if kind in {None, "null_value"}:
        return None
    value = getattr(message, kind)
    if kind == "struct_value":
        return _free(value)
    if kind == "list_value":
        return [_free(each) for each in value.values]
    return int(value) if kind == "number_value" and value.is_integer() else value


def _is_map(field: Any) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)
