"""The WebSocket as AsyncAPI has it: all that is taken is described, and all that is described is taken."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from appliance.management.descriptions.problem import PROBLEM
from appliance.management.descriptions.websocket import websocket
from appliance.management.websocket.answers import FROM_SERVER, FromServer
from appliance.management.websocket.messages import FromAsker, NotUnderstood, read

SAID = websocket({"Problem": PROBLEM})
ASKED = {name: told for name, told in SAID.messages.items() if f"say_{told['name']}" in SAID.operations}
KINDS = {
    side: {str(get_args(each.model_fields["type"].annotation)[0]) for each in get_args(union)}
    for side, union in (("asker", FromAsker), ("server", FromServer))
}


def judge(payload: Any) -> Draft202012Validator:
    local = json.loads(json.dumps(payload).replace("#/components/schemas/Problem", "#/$defs/Problem"))
    return Draft202012Validator({**local, "$defs": {"Problem": PROBLEM}})


def test_every_message_is_described_and_no_other() -> None:
    assert {told["name"] for told in ASKED.values()} == KINDS["asker"]
    assert {told["name"] for name, told in SAID.messages.items() if name not in ASKED} == KINDS["server"]
    assert set(SAID.channel["messages"]) == set(SAID.messages)
    answered = {
        each["$ref"].rpartition("_")[2] for told in SAID.operations.values() for each in told.get("reply", told)["messages"]
    }
    assert answered == KINDS["server"], "each of the server's answers something, or comes by itself"


@pytest.mark.parametrize("name", ASKED)
def test_each_example_of_what_one_may_say_is_taken_and_fits_its_schema(name: str) -> None:
    examples = [each["payload"] for each in ASKED[name]["examples"]]
    assert examples
    for each in examples:
        judge(ASKED[name]["payload"]).validate(each)
        assert read(json.dumps(each)).type == ASKED[name]["name"]


@pytest.mark.parametrize("name", [name for name in SAID.messages if name not in ASKED])
def test_each_example_of_what_the_server_says_is_read_and_fits_its_schema(name: str) -> None:
    (example,) = (each["payload"] for each in SAID.messages[name]["examples"])
    judge(SAID.messages[name]["payload"]).validate(example)
    assert FROM_SERVER.validate_json(json.dumps(example)).type == SAID.messages[name]["name"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("subscribe", {"type": "subscribe"}),
        ("subscribe", {"type": "subscribe", "id": -1}),
        ("subscribe", {"type": "subscribe", "id": 1, "topics": ["x"] * 17}),
        ("ask", {"type": "ask", "id": 1, "operation": 7}),
        ("ping", {"id": 1}),
    ],
)
def test_what_is_refused_does_not_fit_its_schema_either(kind: str, message: Any) -> None:
    assert not judge(ASKED[f"websocket_{kind}"]["payload"]).is_valid(message)
    with pytest.raises(NotUnderstood):
        read(json.dumps(message))
