"""The Postman collection: each request in it is one that the API takes. newman runs its scripts in `make clients`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.management.clients.operations import operations
from appliance.management.descriptions.postman import collection
from tests.rigs.mock_api import mock_api

ROOT = Path(__file__).parents[4]
DOCUMENT = json.loads((ROOT / "schemas/openapi-3.1.json").read_text())
MADE = collection(DOCUMENT)
FOLDERS = {folder["name"]: folder["item"] for folder in MADE["item"]}
REQUESTS = [(f"{folder}: {item['name']}", item["request"]) for folder, items in FOLDERS.items() for item in items]
VARIABLES = {each["key"]: each["value"] for each in MADE["variable"]}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with mock_api() as base, httpx.Client(base_url=base, timeout=60) as made:
        yield made


def filled(text: str, variables: Mapping[str, str]) -> str:
    """As Postman fills variables in; one that nobody has stays as it is there, and is an error here."""
    return re.sub(r"\{\{([$\w]+)\}\}", lambda found: variables[found[1]], text)


@pytest.mark.parametrize(("name", "request_"), REQUESTS, ids=[name for name, _ in REQUESTS])
def test_each_request_is_one_that_the_api_takes(name: str, request_: Any, client: httpx.Client) -> None:
    variables = {**VARIABLES, "base_url": "", "access_token": "admin", "password": "correct horse battery", "$guid": "a-uuid"}
    variables |= {"refresh_token": "apr_x"}
    url = request_["url"]
    places = {each["key"]: filled(each["value"], variables) for each in url.get("variable", ())}
    path = "/".join(places[part[1:]] if part.startswith(":") else part for part in url["path"])
    headers = {each["key"]: filled(each["value"], variables) for each in request_["header"] if not each.get("disabled")}
    if request_.get("auth") != {"type": "noauth"}:
        headers["authorization"] = "Bearer admin"
    body = filled(request_["body"]["raw"], variables) if "body" in request_ else None
    query = {each["key"]: each["value"] for each in url.get("query", ()) if not each["disabled"]}
    answer = client.request(request_["method"], f"/{path}", params=query, headers=headers, content=body)
    assert answer.is_success, answer.text


def test_nothing_is_left_out_and_each_folder_is_a_heading() -> None:
    known = {(each.verb, each.path) for each in operations(DOCUMENT)}
    held = {(request["method"], re.sub(r":(\w+)", r"{\1}", "/" + "/".join(request["url"]["path"]))) for _, request in REQUESTS}
    assert held == known
    assert list(FOLDERS) == ["First steps", *(tag["name"] for tag in DOCUMENT["tags"]), "Log out"]


def test_what_changes_something_and_what_never_ends_wait_for_a_word() -> None:
    for folder, items in FOLDERS.items():
        for item in items:
            scripts = ["\n".join(each["script"]["exec"]) for each in item["event"] if each["listen"] == "prerequest"]
            stream = "stream" in item["request"]["url"]["path"] or item["request"]["url"]["path"][-1] == "events"
            guarded = folder not in {"First steps", "Log out"} and (item["request"]["method"] != "GET" or stream)
            assert len(scripts) == guarded, item["name"]
            assert all(("streams" if stream else "changes") in script for script in scripts)
    assert (VARIABLES["changes"], VARIABLES["streams"]) == ("no", "no")


def test_there_is_an_example_of_each_answer_and_no_secret() -> None:
    assert {key for key in VARIABLES if VARIABLES[key] == ""} == {"password", "access_token", "refresh_token"}
    with_answer = [item for items in FOLDERS.values() for item in items if item["response"]]
    assert len(with_answer) > 60
    for item in with_answer:
        assert isinstance(json.loads(item["response"][0]["body"]), dict)


def test_each_run_of_an_execution_has_a_key_of_its_own() -> None:
    (item,) = (each for each in FOLDERS["First steps"] if "execute" in each["request"]["url"]["raw"])
    assert {"{{$guid}}"} == {each["value"] for each in item["request"]["header"] if each["key"] == "Idempotency-Key"}
