"""What only Java's client has to be asked: servers that misbehave, and names that Java has a meaning for."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from rigs.mock_api import mock_api

from appliance.cli.clients.generating import description
from appliance.cli.clients.languages import client
from appliance.management.clients.java_words import literal, member, pascal
from appliance.management.clients.operations import Operation, operations
from appliance.management.operations.row import Row
from appliance.management.operations.table import ROWS
from examples.management import PASSWORD, Api, trial
from tests.clients.driver import STORIES, done
from tests.clients.drivers.java import DRIVER, JACKSON, compiled
from tests.clients.strangers import strange, tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(DRIVER.missing), reason=f"needs {', '.join(DRIVER.missing)}: run packaging/setup.sh clients"),
]
SEEN = """\
a page of a proxy: [http-502:  retryable=false, 1]
no JSON: [the answer is not what this operation answers with, 1]
unknown and missing members: [n, null]
a redirect: [http-302:  retryable=false, 1]
late, safe: [DeadlineExceeded:  retryable=true, 5]
late, not safe: [DeadlineExceeded:  retryable=true, 1]
late, with a key: [DeadlineExceeded:  retryable=true, 5]
busy until a day: [{}, 3]
hung up, safe: [connection failed, true]
hung up, not safe: [connection failed, 1]
silent: [connection failed, 1]
half an answer: [connection failed, 1]
requests: [GET /api/v1/names/a%2Fb%20%3F%C3%A9 | POST /api/v1/invitations {"name":"laptop","tags":["x"],"exit":true} | \
GET /api/v1/status Authorization=Bearer t Traceparent=00-1]
a token that is none: [the token has characters that no token has, or none at all, 0]
a stream that falls silent, ends, and is over: [[1 peer a, 2 message null, 3 message null], [GET /api/v1/events, \
GET /api/v1/events Last-Event-ID=2, GET /api/v1/events Last-Event-ID=3, GET /api/v1/events Last-Event-ID=3]]
a stream that another thread closes: [false]
a stream that is refused: [Forbidden:  (ask) retryable=false]
"""


def built(document: dict[str, Any], folder: Path) -> Path:
    """The classes of a client."""
    for path, text in client("java", document).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="ascii" if path.endswith(".java") else "utf-8")
    classes = folder / "classes"
    classes.mkdir()
    compiled(sorted(folder.rglob("*.java")), classes, JACKSON)
    return classes


def test_a_server_that_misbehaves(tmp_path: Path) -> None:
    classes = built(description(None), tmp_path)
    compiled([STORIES / "Troubles.java"], classes, [*JACKSON, str(classes)])
    assert done(["java", "-cp", ":".join([*JACKSON, str(classes)]), "Troubles"], tmp_path) == SEEN


def test_names_that_mean_something_in_java_and_words_that_end_comments(tmp_path: Path) -> None:
    document = description(None)
    schemas, paths = document["components"]["schemas"], document["paths"]
    odd = {"class": {"type": "string"}, "hashCode": True, "größe": {"type": "integer"}, "a_b": {}, "aB": {}, '"; \\u0022': {}}
    schemas["String"] = schemas["string"] = schemas["Client"] = {"properties": odd, "description": 'all */ \\u002a/ { " \\'}
    schemas["Record"] = {"properties": {}}
    for number, name in enumerate(("wait", "toString", "ask", "class", "given", "peers_all")):
        operation = {**paths["/api/v1/peers"]["get"], "operationId": name, "summary": "\\u002a/ @ {@code", "description": "*/"}
        paths[f"/odd/{number}"] = {"get": operation}
    paths["/odd"] = {"get": {"operationId": "clone", "responses": {"200": {"content": {"application/json": {"schema": {
        "type": "array", "items": {"$ref": "#/components/schemas/String"}}}}}}}}  # fmt: skip
    assert built(document, tmp_path).joinpath("appliance/client/Client.class").exists()


@pytest.mark.parametrize("document", [strange(), tiny()], ids=["strange", "tiny"])
def test_descriptions_that_are_not_ours(document: dict[str, Any], tmp_path: Path) -> None:
    assert built(document, tmp_path).joinpath("appliance/client/Client.class").exists()


def java(value: Any) -> str:
    """An argument, as Java writes it."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value}L"
        case float():
            return str(value)
        case str():
            return literal(value)
        case list() | tuple():
            return f"List.of({', '.join(map(java, value))})"
        case dict():
            return f"Map.of({', '.join(java(each) for pair in value.items() for each in pair)})"
    raise AssertionError(value)


def call(row: Row, operation: Operation) -> str:
    """The operation with the arguments of its example."""
    kinds = {each.name: each.schema for each in operation.arguments}
    given = {name: float(value) if "number" in str(kinds[name]) else value for name, value in row.example.items()}
    few = ", ".join(java(given[each.name]) for each in operation.arguments if each.required)
    more = "".join(
        f".{member(each.name)}({java(given[each.name])})"
        for each in operation.arguments
        if each.name in given and not each.required
    )
    record = f"appliance.client.arguments.{pascal(operation.name)}Arguments"
    return f"client.{member(operation.name)}({f'{record}.of({few}){more}' if more else few})"


EVERYTHING = """
import java.util.List;
import java.util.Map;

final class Everything {
  public static void main(String[] words) throws java.io.IOException {
    var json = new com.fasterxml.jackson.databind.ObjectMapper();
    var client = new appliance.client.Client(words[0], appliance.client.Options.defaults().token("admin"));
    %s
  }
}
"""


def test_every_operation_is_answered_by_a_live_server(tmp_path: Path) -> None:
    document = description(None)
    classes = built(document, tmp_path)
    known = {operation.name: operation for operation in operations(document)}
    rows = [row for row in ROWS if row.example or not any(f.is_required() for f in row.arguments.model_fields.values())]
    lines = []
    for row in rows:
        asked = call(row, known[row.name.replace(".", "_")])
        lines.append(
            f"try (var events = {asked}) {{ System.out.println(json.writeValueAsString(events.next().members())); }}"
            if row.stream
            else f"{asked}; System.out.println();"
            if row.success == 204
            else f"System.out.println(json.writeValueAsString({asked}));"
        )
    (tmp_path / "Everything.java").write_text(EVERYTHING % "\n    ".join(lines))
    compiled([tmp_path / "Everything.java"], classes, [*JACKSON, str(classes)])
    with mock_api() as url:
        said = done(["java", "-cp", ":".join([*JACKSON, str(classes)]), "Everything", url], tmp_path).splitlines()
    assert len(said) == len(rows)
    for row, text in zip(rows, said, strict=True):
        if text:
            row.result.model_validate_json(text)


def test_the_quick_start_does_what_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/client-java.md").read_text()
    (program,) = re.findall(r"```java\n(.*?)```", page, re.DOTALL)
    said = re.findall(r"```text\n(.*?)```", page, re.DOTALL)[-1]
    scopes = re.findall(r"scopes:='(.*?)'", page)[0]
    classes = built(description(None), tmp_path)
    (tmp_path / "QuickStart.java").write_text(program)
    compiled([tmp_path / "QuickStart.java"], classes, [*JACKSON, str(classes)])
    with trial() as (port, code, _):
        Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
        token = Api(port).log_in("alice").ask("POST", "/tokens", name="quick-start", scopes=json.loads(scopes))["token"]
        places = {**os.environ, "APPLIANCE_URL": f"http://127.0.0.1:{port}", "APPLIANCE_TOKEN": token}
        assert done(["java", "-cp", ":".join([*JACKSON, str(classes)]), "QuickStart"], tmp_path, places) == said
