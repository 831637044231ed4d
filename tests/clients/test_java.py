"""What only Java's client has to be asked: servers that misbehave, and names that Java has a meaning for."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.clients.generating import description
from appliance.cli.clients.languages import client
from examples.management import PASSWORD, Api, trial
from tests.clients.driver import STORIES, done
from tests.clients.drivers.java import DRIVER, JACKSON, compiled

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
busy until a day: [Done[], 3]
hung up, safe: [connection failed, true]
hung up, not safe: [connection failed, 1]
silent: [connection failed, 1]
half an answer: [connection failed, 1]
requests: [GET /api/v1/names/a%2Fb%20%3F%C3%A9 | POST /api/v1/invitations {"name":"laptop","tags":["x"],"exit":true} | \
GET /api/v1/status Authorization=Bearer t Traceparent=00-1]
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
