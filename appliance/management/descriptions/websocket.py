"""The WebSocket as a channel of AsyncAPI 3.0, from the models that judge what is said over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel

from appliance.management.descriptions.examples import example
from appliance.management.descriptions.models import REFERENCE, Schema, generated
from appliance.management.websocket import answers, messages

CHANNEL: Final = "websocket"
_ABOUT: Final = (
    "One connection for events, questions and broadcasts: JSON objects, one a text message of at most 64 KiB. The token stands "
    "in the header Authorization of the handshake, or comes as the first message. At most 20 messages a second. Close codes: "
    "1001 the server ends, 1008 too much was refused, 4401 no good token (any more)."
)
_REPLIES: Final[Mapping[type[BaseModel], tuple[type[BaseModel], ...]]] = {
    messages.Authenticate: (answers.Welcome,),
    messages.Subscribe: (answers.Done, answers.Refused),
    messages.Unsubscribe: (answers.Done,),
    messages.Question: (answers.Answer, answers.Refused),
    messages.Broadcast: (answers.Done, answers.Refused),
    messages.Ping: (answers.Pong,),
}
_BY_ITSELF: Final = (answers.Told, answers.Missing, answers.Heartbeat, answers.Refused)
"""What comes without being asked for one by one; a problem, where a message was not understood."""


class Described(NamedTuple):
    """Parts of an AsyncAPI document."""

    channel: dict[str, Any]
    operations: dict[str, Any]
    messages: dict[str, Any]


def websocket(schemas: Mapping[str, Schema]) -> Described:
    """`schemas`: what references lead to, by name."""
    asked, said = get_args(messages.FromAsker), get_args(answers.FromServer)
    channel = {
        "address": messages.PATH,
        "description": _ABOUT,
        "servers": [{"$ref": "#/servers/websocket"}],
        "messages": {_name(each): {"$ref": f"#/components/messages/{_name(each)}"} for each in (*asked, *said)},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }
    return Described(
        channel,
        {f"say_{_kind(each)}": _said(each) for each in asked} | {"hear": _operation("send", "what the server says", _BY_ITSELF)},
        {_name(each): _message(each, list(_examples(each, schemas))) for each in (*asked, *said)},
    )


def _said(model: type[BaseModel]) -> dict[str, Any]:
    reply = {"channel": {"$ref": f"#/channels/{CHANNEL}"}, "messages": [_in_channel(each) for each in _REPLIES[model]]}
    return _operation("receive", _summary(model), (model,)) | {"reply": reply}


def _operation(action: str, summary: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{CHANNEL}"},
        "messages": [_in_channel(each) for each in models],
    }


def _in_channel(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/channels/{CHANNEL}/messages/{_name(model)}"}


def _message(model: type[BaseModel], examples: list[Any]) -> dict[str, Any]:
    return {
        "name": _kind(model),
        "title": _summary(model),
        "contentType": "application/json",
        "payload": payload(model),
        "examples": [{"payload": each} for each in examples],
    }


def payload(model: type[BaseModel]) -> Schema:
    """The schema of one message. The type is always there, as messages are told apart by it."""
    schema = generated(model)
    inner = {REFERENCE.format(model=name): one for name, one in schema.pop("$defs", {}).items()}
    properties = {name: inner.get(one.get("$ref", ""), one) for name, one in schema["properties"].items()}
    if "problem" in properties:
        properties["problem"] = {"$ref": REFERENCE.format(model="Problem")}
    properties["type"] = {key: value for key, value in properties["type"].items() if key != "default"}
    return schema | {"properties": properties, "required": list(dict.fromkeys(["type", *schema.get("required", ())]))}


def _examples(model: type[BaseModel], schemas: Mapping[str, Schema]) -> Iterator[Any]:
    if model in get_args(messages.FromAsker):
        yield from (
            each.model_dump(exclude_defaults=True) | {"type": _kind(model)} for each in messages.EXAMPLES if type(each) is model
        )
    else:
        yield example(payload(model), schemas)


def _name(model: type[BaseModel]) -> str:
    """Among all messages; types of askers and of the server differ."""
    return f"{CHANNEL}_{_kind(model)}"


def _kind(model: type[BaseModel]) -> str:
    (kind,) = get_args(model.model_fields["type"].annotation)
    return str(kind)


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition(". ")[0].rstrip(".")
