"""AsyncAPI 3.0: the events of each stream, and what is said over the WebSocket both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from appliance.management.clients.operations import Operation, operations, resolved
from appliance.management.descriptions.websocket import CHANNEL, websocket

Schema = Mapping[str, Any]


def events(document: Mapping[str, Any]) -> dict[str, Any]:
    """AsyncAPI 3.0 of the streams in an OpenAPI document. The operations are the server's: it sends."""
    streams = [each for each in operations(document) if each.stream]
    schemas = document["components"]["schemas"]
    spoken = websocket(schemas)
    told = [*(stream.result for stream in streams), spoken.messages]
    used = dict.fromkeys(name for each in told for name in _used(each, schemas, set()))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Appliance events",
            "version": document["info"]["version"],
            "description": "Streams of server-sent events. Each message has an id, the kind of event, and data. Whoever connects "
            "again with the header Last-Event-ID misses nothing; 204 says that nothing follows any more. The same events, and "
            "questions, over one WebSocket.",
            "license": {"name": "MIT"},
        },
        "servers": {"node": _server("sse"), "websocket": _server("ws")},
        "defaultContentType": "application/json",
        "channels": {stream.name: _channel(document, stream) for stream in streams} | {CHANNEL: spoken.channel},
        "operations": {stream.name: _operation(stream) for stream in streams} | spoken.operations,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "messages": {stream.name: _message(stream) for stream in streams} | spoken.messages,
            "schemas": {name: schemas[name] for name in used},
        },
    }


def _server(protocol: str) -> dict[str, Any]:
    return {
        "host": "{address}",
        "protocol": protocol,
        "variables": {"address": {"description": "Host and port of the API server.", "default": "127.0.0.1:8470"}},
        "security": [{"$ref": "#/components/securitySchemes/bearer"}],
    }


def _channel(document: Mapping[str, Any], stream: Operation) -> dict[str, Any]:
    told = {
        "address": stream.path,
        "description": stream.about,
        "servers": [{"$ref": "#/servers/node"}],
        "messages": {"event": {"$ref": f"#/components/messages/{stream.name}"}},
        "bindings": {"http": {"bindingVersion": "0.3.0"}},
    }
    places = {each.name: {"description": each.about or each.name} for each in stream.arguments if each.where == "path"}
    queried = {each.name: resolved(document, each.schema) for each in stream.arguments if each.where == "query"}
    if places:
        told["parameters"] = places
    return told | ({"x-query": queried} if queried else {})


def _operation(stream: Operation) -> dict[str, Any]:
    channel = f"#/channels/{stream.name}"
    return {
        "action": "send",
        "summary": stream.summary,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/event"}],
    }


def _message(stream: Operation) -> dict[str, Any]:
    return {
        "name": stream.name,
        "title": stream.summary,
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "required": ["id", "event", "data"],
            "properties": {
                "id": {"type": "string", "description": "Only grows within a stream."},
                "event": {"type": "string", "description": "The kind of event."},
                "data": stream.result or {},
            },
        },
    }


def _used(schema: Any, schemas: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    """The names of all schemas that one refers to, and they again."""
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str) and (name := reference.rpartition("/")[2]) not in seen:
            seen.add(name)
            yield name
            yield from _used(schemas[name], schemas, seen)
        for value in schema.values():
            yield from _used(value, schemas, seen)
    elif isinstance(schema, list):
        for value in schema:
            yield from _used(value, schemas, seen)
