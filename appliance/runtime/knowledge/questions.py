"""What callers of the control socket ask about shared knowledge. What a question takes is loaded when somebody asks it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from appliance.control.conversation import Operation, Request
from appliance.errors import ApplianceError
from appliance.runtime.knowledge.part import Knowledge, Part

READ: Final = "knowledge.read"
WRITE: Final = "knowledge.write"
CHANGE: Final = "node.change"
SERVE: Final = "api.serve"

Found = Callable[[], Knowledge | None]


class NotShared(ApplianceError):
    """This node takes no part in that kind of shared knowledge."""


def part_of(knowledge: Knowledge | None, name: str) -> Any:
    """The part of that name. Raises NotShared."""
    if knowledge is None:
        raise NotShared("this node is in no network of members", hint="see docs/mesh.md: appliance network, appliance join")
    found: Part | None = knowledge.parts.get(name)
    if found is None:
        raise NotShared(f"this node has no {name}", hint=f"the profile says so: remove mesh.{name}, and apply it")
    return found


def blocked_peers(knowledge: Knowledge | None) -> Mapping[str, Mapping[str, Any]]:
    """Who is blocked here, by identity, and why."""
    if knowledge is None:
        return {}
    from appliance.runtime.knowledge import scores_questions

    return scores_questions.blocked_peers(part_of(knowledge, "scores"))


def operations(knowledge: Found) -> dict[str, Operation]:
    """All of them, whether the node has the part or not: what it has not got it says when it is asked."""
    scores, topics = _about_scores(knowledge), _about_topics(knowledge)
    return scores | topics | _about_rendezvous(knowledge) | _of_hash_table(knowledge) | _about_letters(knowledge)


def _about_letters(knowledge: Found) -> dict[str, Operation]:
    """Of servers of plugins: the API server's own, and nobody else's. What they provide is no change that somebody asked for, and
    comes as often as strangers come and go: so it is none of the audit log's."""

    async def letter(request: Request) -> Any:
        from appliance.runtime.knowledge import letter_questions

        return await letter_questions.send(part_of(knowledge(), "letters"), request)

    def letters(request: Request) -> AsyncGenerator[Any, None]:
        from appliance.runtime.knowledge import letter_questions

        return letter_questions.read(part_of(knowledge(), "letters"), request)

    return {
        "api_letter": Operation(SERVE, letter),
        "api_letters": Operation(SERVE, letters),
        "api_provide": Operation(SERVE, _of_hash_table(knowledge)["dht.provide"].handler),
    }


def _about_scores(knowledge: Found) -> dict[str, Operation]:
    async def block_peer(request: Request) -> Any:
        from appliance.runtime.knowledge import scores_questions

        return await scores_questions.block(part_of(knowledge(), "scores"), request)

    async def unblock_peer(request: Request) -> Any:
        from appliance.runtime.knowledge import scores_questions

        return await scores_questions.unblock(part_of(knowledge(), "scores"), request)

    async def scores(_request: Request) -> Any:
        from appliance.runtime.knowledge import scores_questions

        return scores_questions.table(part_of(knowledge(), "scores"))

    return {
        "block_peer": Operation(CHANGE, block_peer, whole=True),
        "unblock_peer": Operation(CHANGE, unblock_peer, whole=True),
        "scores": Operation(READ, scores),
    }


def _of_hash_table(knowledge: Found) -> dict[str, Operation]:
    def asking(name: str) -> Callable[[Request], Awaitable[Any]]:
        async def ask(request: Request) -> Any:
            from appliance.runtime.knowledge.dht_questions import Questions

            there = knowledge()
            table = part_of(there, "dht")
            assert there is not None, "it has the part"
            return await getattr(Questions(there, table), name)(request.args)

        return ask

    permissions = {
        "put": WRITE,
        "get": READ,
        "provide": WRITE,
        "providers": READ,
        "find": READ,
        "nodes": READ,
        "add": WRITE,
        "remove": WRITE,
    }
    return {f"dht.{name}": Operation(permission, asking(name)) for name, permission in permissions.items()}


def _about_topics(knowledge: Found) -> dict[str, Operation]:
    async def publish(request: Request) -> Any:
        from appliance.runtime.knowledge import topic_questions

        return await topic_questions.publish(part_of(knowledge(), "topics"), request)

    def subscribe(request: Request) -> AsyncGenerator[Any, None]:
        from appliance.runtime.knowledge import topic_questions

        return topic_questions.subscribe(part_of(knowledge(), "topics"), request)

    async def topics(request: Request) -> Any:
        from appliance.runtime.knowledge import topic_questions

        return await topic_questions.show(part_of(knowledge(), "topics"), request)

    return {
        "publish": Operation(WRITE, publish),
        "subscribe": Operation(READ, subscribe),
        "topics": Operation(READ, topics),
    }


def _about_rendezvous(knowledge: Found) -> dict[str, Operation]:
    def asks(permission: str, question: str) -> Operation:
        async def handler(request: Request) -> Any:
            part = part_of(knowledge(), "rendezvous")
            from appliance.runtime.knowledge import rendezvous_questions

            return await getattr(rendezvous_questions, question)(part, request.args)

        return Operation(permission, handler)

    return {
        "rendezvous.register": asks(WRITE, "register"),
        "rendezvous.unregister": asks(WRITE, "unregister"),
        "rendezvous.find": asks(READ, "find"),
        "rendezvous.list": asks(READ, "show"),
    }
