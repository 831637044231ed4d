"""A Postman collection (format 2.1) of all operations, with variables, a log-in, examples and tests.

A run over the whole collection leaves out what changes something until its user sets the variable `changes` to yes, and streams
until he sets `streams`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from appliance.management.clients.operations import Argument, Document, Operation, operations, resolved
from appliance.management.descriptions.examples import example

FORMAT: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_ABOUT: Final = (
    'Set `base_url`, `name` and `password`, and send "First steps" from the top: the log-in puts its tokens into variables. '
    "Or put an API token into `access_token`. A run over all leaves out what changes something unless `changes` is yes, and "
    "streams unless `streams` is yes."
)
_VARIABLES: Final = {
    "base_url": "http://127.0.0.1:8470",
    "name": "alice",
    "password": "",
    "access_token": "",
    "refresh_token": "",
    "changes": "no",
    "streams": "no",
}
_KEPT: Final = {"executionId": "01890a5d-ac96-774b-bcce-b302099a8057"}
"""Variables that stand for arguments of the same name in paths; the first steps set them to something that is there."""
_FIRST: Final[Mapping[str, Mapping[str, str]]] = {
    "auth_login": {"access_token": "access_token", "refresh_token": "refresh_token"},
    "users_profile": {},
    "status": {},
    "templates_execute": {"executionId": "id"},
    "templates_stream": {},
    "templates_status": {},
    "auth_refresh": {"access_token": "access_token", "refresh_token": "refresh_token"},
}
"""What one does first, and which variables are set from members of the answer."""
_LAST: Final = "auth_logout"
_OF_A_LOG_IN: Final = {"auth_login", "auth_refresh", _LAST}
"""They are in their folders only: each ends or replaces what the variables have."""
_FILLED: Final = {
    "auth_login": {"name": "{{name}}", "password": "{{password}}"},
    "auth_refresh": {"refresh_token": "{{refresh_token}}"},
}
"""Bodies from variables."""
_OF_ALL: Final = """\
pm.test("the answer has the id of its request", () => pm.response.to.have.header("X-Request-Id"));
if ((pm.response.headers.get("Content-Type") || "").startsWith("application/problem+json")) {
  pm.test("what went wrong is told as a problem (RFC 9457)", () => {
    const problem = pm.response.json();
    pm.expect(problem).to.include.all.keys("type", "title", "status", "code", "detail", "hint", "retryable", "instance");
    pm.expect(problem.status).to.equal(pm.response.code);
  });
}
"""
_LEFT_OUT: Final = """\
if (pm.variables.get("{variable}") !== "yes") {{
  console.log("left out: set the variable {variable} to yes");
  pm.execution.skipRequest();
}}
"""


def collection(document: Document) -> dict[str, Any]:
    """The collection of an OpenAPI 3.1 document."""
    known = {operation.name: operation for operation in operations(document)}
    tags = {told["operationId"]: told["tags"][0] for verbs in document["paths"].values() for told in verbs.values()}
    folders: dict[str, list[Any]] = {}
    for name, operation in known.items():
        if name not in _OF_A_LOG_IN:
            folders.setdefault(tags[name], []).append(_item(document, operation, guarded=True))
    steps = [_item(document, known[name], guarded=False) for name in _FIRST if name in known]
    last = [_item(document, known[_LAST], guarded=False)] if _LAST in known else []
    return {
        "info": {
            "name": document["info"]["title"],
            "description": _ABOUT,
            "version": document["info"]["version"],
            "schema": FORMAT,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{access_token}}", "type": "string"}]},
        "variable": [{"key": key, "value": value} for key, value in (_VARIABLES | _KEPT).items()],
        "event": [_script("test", _OF_ALL)],
        "item": [
            _folder("First steps", steps),
            *(_folder(tag, items) for tag, items in folders.items()),
            _folder("Log out", last),
        ],
    }


def _folder(name: str, items: list[Any]) -> dict[str, Any]:
    return {"name": name, "item": items}


def _item(document: Document, operation: Operation, *, guarded: bool) -> dict[str, Any]:
    told = document["paths"][operation.path][operation.verb.lower()]
    request = _request(document, operation, told, guarded=guarded)
    return {
        "name": operation.summary,
        "event": list(_events(document, operation, told, guarded=guarded)),
        "request": request,
        "response": list(_saved(document, operation, told, request)),
    }


def _request(document: Document, operation: Operation, told: Mapping[str, Any], *, guarded: bool) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": operation.verb,
        "description": operation.about,
        "header": list(_headers(document, operation, told, guarded=guarded)),
        "url": _url(document, operation, told),
    }
    if told.get("security") == []:
        request["auth"] = {"type": "noauth"}
    body = _FILLED.get(operation.name) or told.get("requestBody", {}).get("content", {}).get("application/json", {}).get(
        "example"
    )
    required = [each for each in operation.arguments if each.where == "body" and each.required]
    if body is None and required:
        body = {each.name: _value(document, each) for each in required}
    if body is not None:
        text = json.dumps(body, indent=2, ensure_ascii=False)
        request["body"] = {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    return request


def _headers(document: Document, operation: Operation, told: Mapping[str, Any], *, guarded: bool) -> Iterator[dict[str, Any]]:
    if operation.has_body:
        yield {"key": "Content-Type", "value": "application/json"}
    for parameter in told.get("parameters", ()):
        one = resolved(document, parameter)
        if one["in"] == "header":
            enabled = one["name"] == "Idempotency-Key" and not guarded
            value = "{{$guid}}" if enabled else str(one.get("example", ""))
            yield {"key": one["name"], "value": value, "description": one["description"], "disabled": not enabled}


def _url(document: Document, operation: Operation, told: Mapping[str, Any]) -> dict[str, Any]:
    examples = {each["name"]: str(each["example"]) for each in told.get("parameters", ()) if "example" in each}
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in operation.path.strip("/").split("/")]
    url: dict[str, Any] = {"raw": "{{base_url}}/" + "/".join(parts), "host": ["{{base_url}}"], "path": parts}
    places = [each for each in operation.arguments if each.where == "path"]
    if places:
        url["variable"] = [
            {"key": each.name, "value": _place(document, each, examples), "description": each.about} for each in places
        ]
    asked = [each for each in operation.arguments if each.where == "query"]
    if asked:
        url["query"] = [
            {
                "key": each.name,
                "value": examples.get(each.name, str(_value(document, each)) if each.required else ""),
                "description": each.about,
                "disabled": not each.required,
            }
            for each in asked
        ]
    return url


def _place(document: Document, argument: Argument, examples: Mapping[str, str]) -> str:
    if argument.name in _KEPT:
        return f"{{{{{argument.name}}}}}"
    return examples.get(argument.name, str(_value(document, argument)))


def _events(document: Document, operation: Operation, told: Mapping[str, Any], *, guarded: bool) -> Iterator[dict[str, Any]]:
    if guarded and operation.stream:
        yield _script("prerequest", _LEFT_OUT.format(variable="streams"))
    elif guarded and operation.verb != "GET":
        yield _script("prerequest", _LEFT_OUT.format(variable="changes"))
    statuses = sorted(int(status) for status in told["responses"])
    well = _success(told)
    if not guarded:
        lines = [f'pm.test("it went well", () => pm.response.to.have.status({well}));']
    else:
        lines = [f'pm.test("the status is one that is described", () => pm.expect(pm.response.code).to.be.oneOf({statuses}));']
    required = () if operation.result is None or operation.stream else resolved(document, operation.result).get("required", ())
    if required:
        keys = ", ".join(json.dumps(each) for each in required)
        lines += [
            f"if (pm.response.code === {well}) {{",
            f'  pm.test("all is there", () => pm.expect(pm.response.json()).to.include.all.keys({keys}));',
            "}",
        ]
    if not guarded:
        for variable, member in _FIRST.get(operation.name, {}).items():
            lines.append(f'pm.collectionVariables.set("{variable}", pm.response.json().{member});')
    yield _script("test", "\n".join(lines))


def _success(told: Mapping[str, Any]) -> int:
    return min(int(status) for status in told["responses"])


def _saved(
    document: Document, operation: Operation, told: Mapping[str, Any], request: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """An example of the answer."""
    if operation.result is None or operation.stream:
        return
    body = example(operation.result, document["components"]["schemas"])
    yield {
        "name": told["responses"][str(_success(told))]["description"],
        "originalRequest": {"method": request["method"], "url": request["url"]},
        "code": _success(told),
        "header": [{"key": "Content-Type", "value": "application/json"}],
        "_postman_previewlanguage": "json",
        "body": json.dumps(body, indent=1, ensure_ascii=False),
    }


def _value(document: Document, argument: Argument) -> Any:
    return example(argument.schema, document["components"]["schemas"], argument.name)


def _script(when: str, text: str) -> dict[str, Any]:
    return {"listen": when, "script": {"type": "text/javascript", "exec": text.strip().splitlines()}}
