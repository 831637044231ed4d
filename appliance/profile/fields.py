"""Looks into pydantic models by the path of a key: which keys are known there, of what type, and where else a word is a key."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from appliance.profile.document import KeyPath

Model = type[BaseModel]


def known_keys(model: Model) -> dict[str, FieldInfo]:
    """Keys of a model as they are written in a profile (`from`, not `from_`)."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def type_at(model: Model, path: KeyPath) -> Any:
    """The annotation of the value at `path`, without Optional. None if the model does not say."""
    annotation: Any = model
    for step in path:
        annotation = _below(_bare(annotation), step)
    return _bare(annotation)


def model_at(model: Model, path: KeyPath) -> Model | None:
    """The model of the mapping at `path`, if it has one."""
    found = type_at(model, path)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def choices(annotation: Any) -> tuple[Any, ...]:
    """The values that a Literal allows; empty for any other annotation."""
    bare = _bare(annotation)
    return get_args(bare) if get_origin(bare) is Literal else ()


def places_of(model: Model, word: str, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where below `model` this word is a key. Lists are left out, since there is no one place for their elements."""
    for key, field in known_keys(model).items():
        if key == word:
            yield (*path, key)
        below = model_at(model, (key,))
        if below is not None and get_origin(_bare(field.annotation)) is None:
            yield from places_of(below, word, (*path, key))


def _bare(annotation: Any) -> Any:
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in {Union, types.UnionType}:
            members = [member for member in get_args(annotation) if member is not type(None)]
            if len(members) != 1:
                return annotation
            annotation = members[0]
        else:
            return annotation


def _below(annotation: Any, step: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = known_keys(annotation).get(str(step))
        return field.annotation if field else None
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if not arguments or not isinstance(origin, type):
        return None
    if isinstance(step, int) and issubclass(origin, tuple | list):
        return arguments[0]
    if isinstance(step, str) and issubclass(origin, Mapping):
        return arguments[1]
    return None
