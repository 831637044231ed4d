"""What only Go's client has to be asked: servers that misbehave, and descriptions that are not ours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.clients.generating import description, made
from tests.clients.driver import STORIES, done
from tests.clients.drivers.go import DRIVER, OFFLINE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(DRIVER.missing), reason=f"needs {', '.join(DRIVER.missing)}: run packaging/setup.sh clients"),
]
HOSTILE = 'end */ */ // \n\r\u2028\x00\ufeff\ud800 `" \\ ${x} #{y} \nfunc init() { panic(1) }'


def written(document: dict[str, Any], folder: Path) -> Path:
    """A client in files."""
    for path, text in made("go", document, None).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def go(folder: Path, *words: str) -> str:
    return done(["go", *words, "./..."], folder, os.environ | OFFLINE)


def test_a_server_that_misbehaves(tmp_path: Path) -> None:
    client = written(description(None), tmp_path)
    shutil.copy(STORIES / "troubles_test.go", client)
    go(client, "test")


def test_a_description_that_is_not_ours(tmp_path: Path) -> None:
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

    document = {
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
    client = written(document, tmp_path)
    assert done(["gofmt", "-l", client], client) == ""
    go(client, "vet")


def test_an_api_without_models_or_arguments(tmp_path: Path) -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"version": "1"},
        "paths": {"/a": {"delete": {"operationId": "a", "responses": {"204": {}}}}},
        "components": {"schemas": {}},
    }
    go(written(document, tmp_path), "vet")
