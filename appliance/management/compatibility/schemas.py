"""Two schemas of the same value.

A value that goes to the server may be more than before and not less; one that comes from it may be less and not more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from appliance.management.compatibility.change import Change, addition, breaking

Schema = Mapping[str, Any]
_ALL: Final = frozenset({"object", "array", "string", "integer", "number", "boolean"})
_MOST_STEPS: Final = 32
"""Of references that lead to references."""
_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


class Side(NamedTuple):
    """Which way a value goes, and where references of both documents lead."""

    to_server: bool
    old: Mapping[str, Any]
    """The older document's schemas by name."""
    new: Mapping[str, Any]


def compare(old: Any, new: Any, where: str, side: Side, seen: frozenset[tuple[str, str]] = frozenset()) -> Iterator[Change]:
    """What is different. `seen`: pairs of references on the way here."""
    pair = (_reference(old), _reference(new))
    if pair in seen:
        return
    seen = seen | {pair} if all(pair) else seen
    old_null, old = _without_null(_resolved(old, side.old))
    new_null, new = _without_null(_resolved(new, side.new))
    if side.to_server and old_null and not new_null:
        yield breaking(where, "may not be null any more")
    if not side.to_server and new_null and not old_null:
        yield breaking(where, "may be null now")
    if "anyOf" in old or "anyOf" in new:
        yield from _choices(old, new, where, side)
        return
    if (changed := _kinds_changed(old, new, side)) is not None:
        yield breaking(where, changed)
        return
    yield from _enum(old, new, where, side)
    yield from _limits(old, new, where, side)
    yield from _members(old, new, where, side, seen)
    if "items" in old and "items" in new:
        yield from compare(old["items"], new["items"], f"{where}[]", side, seen)


def _reference(schema: Any) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, Mapping) else ""


def _resolved(schema: Any, known: Mapping[str, Any]) -> Schema:
    for _ in range(_MOST_STEPS):
        if not isinstance(schema, Mapping) or not ("$ref" in schema or len(schema.get("allOf", ())) == 1):
            return schema if isinstance(schema, Mapping) else {}
        schema = known.get(schema["$ref"].rpartition("/")[2], {}) if "$ref" in schema else schema["allOf"][0]
    raise ValueError("references lead in a circle")


def _without_null(schema: Schema) -> tuple[bool, Schema]:
    """May it be null, and what else may it be?"""
    options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) < len(schema.get("anyOf", ())):
        return True, options[0] if len(options) == 1 else {"anyOf": options}
    kinds = schema.get("type")
    if isinstance(kinds, list) and "null" in kinds:
        return True, {**schema, "type": [kind for kind in kinds if kind != "null"]}
    return not kinds and not options and "enum" not in schema and "const" not in schema, schema


def _choices(old: Schema, new: Schema, where: str, side: Side) -> Iterator[Change]:
    before, now = ({json.dumps(each, sort_keys=True) for each in one.get("anyOf", [one])} for one in (old, new))
    if side.to_server and before - now:
        yield breaking(where, "takes less than before")
    elif not side.to_server and now - before:
        yield breaking(where, "may be something else than before")
    elif before != now:
        yield addition(where, "takes more than before" if side.to_server else "is less than before")


def _kinds_changed(old: Schema, new: Schema, side: Side) -> str | None:
    before, now = _kinds(old), _kinds(new)
    lost = before - now if side.to_server else now - before
    if lost:
        said = ", ".join(sorted(lost))
        return f"takes no {said} any more" if side.to_server else f"may be {said} now"
    if old.get("format") and new.get("format") != old["format"]:
        return f"had the format {old['format']}"
    return None


def _kinds(schema: Schema) -> frozenset[str]:
    kinds = schema.get("type")
    if kinds is None:
        return _ALL if "enum" not in schema and "const" not in schema else frozenset()
    found = frozenset([kinds] if isinstance(kinds, str) else kinds)
    return found | {"integer"} if "number" in found else found


def _enum(old: Schema, new: Schema, where: str, side: Side) -> Iterator[Change]:
    before, now = (_values(each) for each in (old, new))
    if before is None and now is None:
        return
    if side.to_server:
        if now is not None and (before is None or before - now):
            yield breaking(where, f"takes only {', '.join(sorted(now))}")
        elif before is not None and (now is None or now - before):
            yield addition(where, "takes more values")
    elif before is not None and (now is None or now - before):
        yield breaking(
            where, "may have values that it did not have: " + ("any" if now is None else ", ".join(sorted(now - before)))
        )


def _values(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {json.dumps(schema["const"])}
    return {json.dumps(each) for each in schema["enum"]} if "enum" in schema else None


def _limits(old: Schema, new: Schema, where: str, side: Side) -> Iterator[Change]:
    if not side.to_server:
        return
    for key in (*_LEAST, *_MOST):
        before, now = old.get(key), new.get(key)
        if now is not None and (before is None or (now > before if key in _LEAST else now < before)):
            yield breaking(where, f"{key} is {now} now")
    if new.get("pattern") not in {None, old.get("pattern")}:
        yield breaking(where, f"has to have the form {new['pattern']} now")


def _members(old: Schema, new: Schema, where: str, side: Side, seen: frozenset[tuple[str, str]]) -> Iterator[Change]:
    before, now = old.get("properties", {}), new.get("properties", {})
    needed, needed_now = set(old.get("required", ())), set(new.get("required", ()))
    for name, schema in before.items():
        place = f"{where}.{name}"
        if name not in now:
            yield breaking(place, "is not taken any more" if side.to_server else "is not told any more")
            continue
        if side.to_server and name in needed_now - needed:
            yield breaking(place, "is required now")
        if not side.to_server and name in needed - needed_now:
            yield breaking(place, "may be missing now")
        yield from compare(schema, now[name], place, side, seen)
    for name in now.keys() - before.keys():
        place = f"{where}.{name}"
        if side.to_server and name in needed_now:
            yield breaking(place, "is new, and required")
        else:
            yield addition(place, "is new")
    if isinstance(old.get("additionalProperties"), Mapping) and isinstance(new.get("additionalProperties"), Mapping):
        yield from compare(old["additionalProperties"], new["additionalProperties"], f"{where}.*", side, seen)
