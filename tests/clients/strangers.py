"""Descriptions of APIs that are not ours, with everything in them that could be in the way of a program."""

from __future__ import annotations

from typing import Any

HOSTILE = 'end */ */ // \n\r\u2028\x00\ufeff\ud800 `" \\ ${x} #{y} \nfunc init() { panic(1) }'


def strange() -> dict[str, Any]:
    """Names that mean something, or are the same in another language; values that hold themselves; words that end comments."""

    def reference(name: str) -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/{name}"}

    odd = ["type", "Type", "func", "2fa", "other_members", "_", "-", 'a"b', "a`b", "a,b", "é", "unmarshal_json", "models", "url"]
    properties: dict[str, Any] = {name: {"type": "string", "description": HOSTILE} for name in odd}
    schemas = {
        "client": {"type": "object", "properties": properties | {"self": reference("client")}, "description": HOSTILE},
        "Client": {"type": "object", "properties": {"tree": reference("_")}, "additionalProperties": False},
        "_": {"anyOf": [{"type": "array", "items": reference("_")}, {"type": "null"}], "description": HOSTILE},
        "ask": {"type": "string"},
    }
    answer = {"200": {"content": {"application/json": {"schema": reference("client")}}}}

    def operation(name: str, *arguments: str) -> dict[str, Any]:
        told = [{"in": "query", "name": each, "schema": reference("Client")} for each in arguments]
        return {"operationId": name, "summary": HOSTILE, "description": HOSTILE, "parameters": told, "responses": answer}

    return {
        "openapi": "3.1.0",
        "info": {"version": "1"},
        "paths": {
            "/a": {
                "get": operation("close"),
                "post": operation("Close"),
                "put": operation("cLose", "type", "Type", "func", "ctx", "query", "models"),
            },
            "/b": {"get": operation("ask"), "post": operation("init"), "put": operation("main", "options", "c", "body")},
        },
        "components": {"schemas": schemas},
    }


def tiny() -> dict[str, Any]:
    """One operation, which takes and answers nothing."""
    return {
        "openapi": "3.1.0",
        "info": {"version": "1"},
        "paths": {"/a": {"delete": {"operationId": "a", "responses": {"204": {}}}}},
        "components": {"schemas": {}},
    }
