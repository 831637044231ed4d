"""The table of all keys in docs/profile.md, made from the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.api.profile import ProfileSection
from appliance.profile.model import Kinds
from appliance.profile.schema import json_schema

BEGIN = "<!-- generated from appliance/api/profile.py by `python -m appliance.profile.generate`; edits below are lost -->"


def reference(sections: Sequence[ProfileSection] = (), kinds: Kinds | None = None) -> str:
    """Markdown: one table for each section, keys in the order of the model."""
    schema = json_schema(sections, kinds)
    blocks = list(_tables(schema, schema, ""))
    return "\n\n".join([BEGIN, *blocks]) + "\n"


def with_reference(page: str, generated: str) -> str:
    """The page with its generated part replaced; what stands above the mark is kept."""
    return page.partition(BEGIN)[0].rstrip() + "\n\n" + generated


def _tables(root: Mapping[str, Any], node: Mapping[str, Any], path: str) -> Iterator[str]:
    rows = []
    below = []
    required = node.get("required", ())
    for key, raw in node["properties"].items():
        schema = _resolved(root, raw)
        items = _resolved(root, schema.get("items", {}))
        rows.append(_row(key, raw, schema, items, required=key in required))
        if "properties" in schema:
            below.append((f"{path}{key}", schema))
        elif "properties" in items:
            below.append((f"{path}{key}[]", items))
        elif "properties" in (values := _values(root, schema)):
            below.append((f"{path}{key}.NAME", values))
    title = f"### `{path.rstrip('.')}`" if path else "### Top level"
    about = f"\n\n{node['description']}" if path and node.get("description") else ""
    yield f"{title}{about}\n\n| key | value | default | |\n|---|---|---|---|\n" + "\n".join(rows)
    for name, schema in below:
        yield from _tables(root, schema, f"{name}.")


def _row(key: str, raw: Mapping[str, Any], schema: Mapping[str, Any], items: Mapping[str, Any], *, required: bool) -> str:
    description = str(raw.get("description") or schema.get("description") or "")
    default = "**required**" if required else _default(raw.get("default"), schema)
    cells = [f"`{key}`", _kind(schema, items), default, description]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _default(value: Any, schema: Mapping[str, Any]) -> str:
    if "properties" in schema or value is None:
        return "" if "properties" in schema else "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _kind(schema: Mapping[str, Any], items: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_union(schema["anyOf"])))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type")
    if kind == "array":
        return "list of mappings" if "properties" in items else f"list: {_kind(items, {})}"
    if kind == "object":
        return "mapping"
    if kind == "integer":
        return f"{schema.get('minimum', '…')} to {schema['maximum']}" if "maximum" in schema else "whole number"
    if kind == "boolean":
        return "`true`, `false`"
    if isinstance(kind, list):
        return " or ".join("text" if name == "string" else str(name) for name in kind)
    return str(schema.get("$comment") or "text") if kind == "string" else str(kind or "anything")


def _union(members: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    kinds = {member.get("type") for member in members}
    plain = not any("$comment" in member or "enum" in member for member in members)
    if plain and {"string"} < kinds <= {"string", "number", "integer"}:  # Seconds and Bytes: text with a unit, or a bare number
        yield "duration" if "number" in kinds else "size"
        return
    for member in members:
        if member.get("type") != "null":
            yield _kind(member, {})


def _values(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands below each name of a mapping whose names are free."""
    values: Any = next(iter(schema.get("patternProperties", {}).values()), {})
    return _resolved(root, values) if isinstance(values, dict) else {}


def _resolved(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference stands for, also that of a section which may be absent."""
    members = [member for member in schema.get("anyOf", ()) if member.get("type") != "null"]
    if len(members) == 1 and "$ref" in members[0]:
        schema = members[0]
    if "$ref" not in schema:
        return schema
    target: Mapping[str, Any] = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return target
