"""Two descriptions of the API (OpenAPI 3.1), the older one first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from appliance.management.compatibility.change import Change, addition, breaking
from appliance.management.compatibility.schemas import Side, compare

Document = Mapping[str, Any]
_VERBS: Final = ("get", "put", "post", "patch", "delete")


def differences(old: Document, new: Document) -> list[Change]:
    """All that is different, breaking ones first. What is only said differently is no difference."""
    found = [*_paths(old, new), *_codes(old, new)]
    return sorted(found, key=lambda change: (change.kind != "breaking", change.where, change.sentence))


def _paths(old: Document, new: Document) -> Iterator[Change]:
    before, now = _operations(old), _operations(new)
    for where, told in before.items():
        if where not in now:
            yield breaking(where, "is not there any more")
        else:
            yield from _operation(where, (old, told), (new, now[where]))
    for where in now.keys() - before.keys():
        yield addition(where, "is new")


def _operations(document: Document) -> dict[str, Mapping[str, Any]]:
    return {
        f"{verb.upper()} {path}": told
        for path, verbs in document["paths"].items()
        for verb, told in verbs.items()
        if verb in _VERBS
    }


def _operation(where: str, old: tuple[Document, Any], new: tuple[Document, Any]) -> Iterator[Change]:
    before, now = old[1], new[1]
    if before.get("operationId") != now.get("operationId"):
        yield breaking(where, f"is called {now.get('operationId')} now, which is the name of methods in clients")
    if (had := _permission(before)) != (wants := _permission(now)):
        yield breaking(where, f"wants {wants} now, and wanted {had}")
    to_server = Side(to_server=True, old=_schemas(old[0]), new=_schemas(new[0]))
    yield from _parameters(where, old, new, to_server)
    yield from _bodies(where, old, new, to_server)
    yield from _answers(where, old, new, to_server._replace(to_server=False))


def _permission(told: Mapping[str, Any]) -> str:
    return "nothing" if told.get("security") == [] else str(told.get("x-permission", "a token"))


def _schemas(document: Document) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document.get("components", {}).get("schemas", {})
    return found


def _parameters(where: str, old: tuple[Document, Any], new: tuple[Document, Any], side: Side) -> Iterator[Change]:
    before, now = (_parameters_of(*each) for each in (old, new))
    for name, told in before.items():
        place = f"{where} argument {name[1]}"
        if name not in now:
            yield breaking(place, f"is not taken in the {name[0]} any more")
            continue
        if now[name].get("required") and not told.get("required"):
            yield breaking(place, "is required now")
        yield from compare(told.get("schema", {}), now[name].get("schema", {}), place, side)
    for name in now.keys() - before.keys():
        place = f"{where} argument {name[1]}"
        yield breaking(place, "is new, and required") if now[name].get("required") else addition(place, "is new")


def _parameters_of(document: Document, told: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    found = [_part(document, "parameters", each) for each in told.get("parameters", ())]
    return {(each["in"], each["name"]): each for each in found}


def _part(document: Document, shelf: str, told: Any) -> Any:
    return document["components"][shelf][told["$ref"].rpartition("/")[2]] if "$ref" in told else told


def _bodies(where: str, old: tuple[Document, Any], new: tuple[Document, Any], side: Side) -> Iterator[Change]:
    before, now = (each[1].get("requestBody") for each in (old, new))
    place = f"{where} body"
    if before is None and now is not None:
        yield breaking(place, "is new, and required") if now.get("required") else addition(place, "is new")
    elif before is not None and now is None:
        yield breaking(place, "is not taken any more")
    elif before is not None and now is not None:
        if now.get("required") and not before.get("required"):
            yield breaking(place, "is required now")
        yield from _contents(before.get("content", {}), now.get("content", {}), place, side)


def _answers(where: str, old: tuple[Document, Any], new: tuple[Document, Any], side: Side) -> Iterator[Change]:
    before, now = (each[1].get("responses", {}) for each in (old, new))
    for status in sorted(before):
        place = f"{where} answer {status}"
        if status not in now:
            if status.startswith("2"):
                yield breaking(place, "is not given any more")
            continue
        told, tells = _part(old[0], "responses", before[status]), _part(new[0], "responses", now[status])
        yield from _contents(told.get("content", {}), tells.get("content", {}), place, side)
    for status in sorted(now.keys() - before.keys()):
        yield addition(f"{where} answer {status}", "is new")


def _contents(before: Mapping[str, Any], now: Mapping[str, Any], place: str, side: Side) -> Iterator[Change]:
    for kind, told in before.items():
        if kind not in now:
            yield breaking(place, f"is not {kind} any more")
            continue
        for key in ("schema", "x-item"):
            if key in told or key in now[kind]:
                yield from compare(told.get(key, {}), now[kind].get(key, {}), place, side)
    for kind in now.keys() - before.keys():
        yield addition(place, f"may be {kind}")


def _codes(old: Document, new: Document) -> Iterator[Change]:
    """Programs know problems by their codes."""
    before, now = (_codes_of(each) for each in (old, new))
    for code, status in before.items():
        if code not in now:
            yield breaking(f"problem {code}", "does not come any more")
        elif now[code] != status:
            yield breaking(f"problem {code}", f"comes with {now[code]}, not with {status}")
    for code in now.keys() - before.keys():
        yield addition(f"problem {code}", "is new")


def _codes_of(document: Document) -> dict[str, str]:
    responses = document.get("components", {}).get("responses", {})
    return {code: name for name, told in responses.items() for code in told.get("x-codes", ())}
