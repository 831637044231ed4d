"""What callers of the control socket may ask the daemon for."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.control.conversation import Operation, Request
from appliance.errors import ApplianceError
from appliance.runtime.figures import document
from appliance.runtime.finding import discovered, lookup
from appliance.runtime.knowledge.questions import blocked_peers
from appliance.runtime.knowledge.questions import operations as knowledge_operations
from appliance.runtime.plugins.routes import BadArguments, described, plugins_operations
from appliance.runtime.status import profile_status, whole_status

if TYPE_CHECKING:
    from appliance.runtime.host.trial_keeper import TrialKeeper
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.node_runtime import NodeRuntime
    from appliance.runtime.profiling.questions import Profiling
    from appliance.runtime.reload import Reload
    from appliance.runtime.status import Shown
    from appliance.runtime.streams.part import StreamsPart

READ = "node.read"
CHANGE = "node.change"
PLAN = "node.plan"
INVITE = "enrolment.invite"
DEBUG = "node.debug"
OPEN, SERVE = "stream.open", "stream.serve"
MOST_TEXT = 32 << 20
"""Bytes of a profile with all its drop-ins; each file has at most 4 MiB."""
MOST_STATEMENTS = 4 << 20
"""Bytes of statements that one call hands over; who has more makes several calls."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a node on a host that operations are about."""

    shown: Shown
    node: NodeRuntime
    reload: Reload
    trial: TrialKeeper
    streams: StreamsPart
    follow: Callable[[], AsyncGenerator[Any, None]]
    """What happens to the node, from now on."""
    stop: Callable[[], None]


def operations(asked: Asked) -> dict[str, Operation]:
    """The core's operations, and those of plugins under their own names."""
    plugins = plugins_operations(asked.node.calls, asked.node.plugins.api_routes(), asked.node.asked)
    core = _looking(asked) | _changing(asked) | _about_members(asked.node) | _of_applications(asked) | _debugging(asked.node)
    return plugins | core | knowledge_operations(lambda: asked.node.optional.knowledge)


def _looking(asked: Asked) -> dict[str, Operation]:
    """Those that change nothing."""

    async def show_status(_request: Request) -> Any:
        return await whole_status(asked.shown)

    async def show_health(_request: Request) -> Any:
        return asked.node.health().document()

    async def show_metrics(_request: Request) -> Any:
        return document(asked.node.figures.figures())

    async def show_plugins(_request: Request) -> Any:
        return asked.node.plugins.report()

    async def show_operations(_request: Request) -> Any:
        return described(asked.node.calls, asked.node.plugins.api_routes())

    async def show_discovered(_request: Request) -> Any:
        return discovered(asked.node)

    async def look_up(request: Request) -> Any:
        return lookup(asked.node, asked.shown.in_force.profile, request.args)

    async def show_crypto(_request: Request) -> Any:
        from appliance.runtime.crypto_status import crypto_status

        return await crypto_status(asked.shown.in_force.profile)

    async def show_profile(_request: Request) -> Any:
        return profile_status(asked.shown.in_force, asked.trial)

    return {
        "status": Operation(READ, show_status),
        "health": Operation(READ, show_health),
        "metrics": Operation(READ, show_metrics),
        "plugins": Operation(READ, show_plugins),
        "operations": Operation(READ, show_operations),
        "crypto": Operation(READ, show_crypto),
        "profile": Operation(READ, show_profile),
        "discovered": Operation(READ, show_discovered),
        "lookup": Operation(READ, look_up),
        "events": Operation(READ, lambda _request: asked.follow()),
    }


def _changing(asked: Asked) -> dict[str, Operation]:
    """Those that change the node, or what it is to do."""

    async def reload(request: Request) -> Any:
        given, within, admin = _reload_arguments(request)
        plan = request.args.get("plan")
        return await asked.reload.reload(given, confirm_within=within, admin=admin, plan=plan if isinstance(plan, str) else None)

    async def plan(_request: Request) -> Any:
        return await asked.reload.plan()

    async def confirm(request: Request) -> Any:
        if request.args.get("refused") is True:
            return {"accepted": asked.trial.accept()}
        return await asked.reload.confirm()

    async def rollback(request: Request) -> Any:
        return await asked.reload.rollback(unconfirmed=request.args.get("unconfirmed") is True)

    async def stop(_request: Request) -> Any:
        asked.stop()
        return {"stopping": True}

    return {
        "plan": Operation(PLAN, plan),
        "reload": Operation(CHANGE, reload, MOST_TEXT, whole=True),
        "confirm": Operation(CHANGE, confirm, whole=True),
        "rollback": Operation(CHANGE, rollback, whole=True),
        "stop": Operation(CHANGE, stop, whole=True),
    }


def _about_members(node: NodeRuntime) -> dict[str, Operation]:
    """Operations about peers, and the network of members. What they take is loaded when somebody asks."""

    def mesh() -> Mesh | None:
        return None if node.mesh is None else node.mesh.mesh

    async def show_peers(_request: Request) -> Any:
        from appliance.runtime.members.asked import peers

        paths, blocked = node.optional.paths.report(), blocked_peers(node.optional.knowledge)
        return peers(node.peers.table, node.driver.node, node.mesh, {} if paths is None else paths["peers"], blocked)

    async def take_statements(request: Request) -> Any:
        from appliance.runtime.members.asked import take_statements

        return await take_statements(mesh(), request.args.get("network"), request.body)

    def enrolling() -> Any:
        return node.protocols.opened("enrol")

    async def invite(request: Request) -> Any:
        from appliance.runtime.members import questions

        return questions.invite(enrolling(), request.args)

    async def invitations(_request: Request) -> Any:
        from appliance.runtime.members import questions

        return questions.invitations(enrolling())

    async def revoke_invitation(request: Request) -> Any:
        from appliance.runtime.members import questions

        return questions.revoke(enrolling(), request.args)

    async def check_network(_request: Request) -> Any:
        from appliance.runtime.members.netcheck import check

        if node.optional.paths.paths is None:
            raise ApplianceError(
                "this node does not look for direct paths", hint="write `paths: {}` into its profile, and apply it"
            )
        return await check(node.optional.paths.paths)

    return {
        "netcheck": Operation(READ, check_network),
        "peers": Operation(READ, show_peers),
        "invite": Operation(INVITE, invite, whole=True),
        "invitations": Operation(READ, invitations),
        "revoke_invitation": Operation(INVITE, revoke_invitation, whole=True),
        "statements": Operation(CHANGE, take_statements, MOST_STATEMENTS, whole=True),
    }


def _of_applications(asked: Asked) -> dict[str, Operation]:
    """Streams, which are handed over as descriptors. What they take is loaded when an application asks."""

    async def connect(request: Request) -> Any:
        from appliance.runtime.streams import questions

        return await questions.connect(asked.streams.streams, asked.node, asked.shown.in_force.profile, request.args)

    async def serve(request: Request) -> AsyncGenerator[Any, None]:
        from appliance.runtime.streams import questions

        async with aclosing(questions.serve(asked.streams.streams, request.principal, request.args)) as items:
            async for item in items:
                yield item

    async def service_health(request: Request) -> Any:
        from appliance.runtime.streams import questions

        return questions.service_health(asked.streams.offers(asked.node), request.principal, request.args)

    return {
        "connect": Operation(OPEN, connect),
        "serve": Operation(SERVE, serve),
        "service_health": Operation(SERVE, service_health),
        "services": Operation(READ, lambda request: _services(asked, request)),
    }


def _debugging(node: NodeRuntime) -> dict[str, Operation]:
    """Where the node's processes spend their time, and what they hold. What it takes is loaded when somebody asks."""

    @cache
    def profiling() -> Profiling:
        from appliance.runtime.profiling.questions import Profiling

        return Profiling()

    async def profile(request: Request) -> Any:
        return await profiling().profile(request.args, node.keeper)

    async def memory(_request: Request) -> Any:
        return await profiling().memory(os.getpid())

    return {"debug_profile": Operation(DEBUG, profile), "debug_memory": Operation(DEBUG, memory)}


def _services(asked: Asked, request: Request) -> Awaitable[Any] | AsyncGenerator[Any, None]:
    """One answer, or a stream of them."""
    from appliance.runtime.streams import questions

    return questions.services(asked.streams.offers(asked.node), request.args)


def _reload_arguments(request: Request) -> tuple[dict[Path, bytes] | None, float | None, str | None]:
    args = request.args
    unknown = args.keys() - {"files", "confirm_within", "admin", "plan"}
    if unknown:
        raise BadArguments(f"reload: there is no argument {min(unknown)}", hint="there are files, confirm_within, admin and plan")
    within, admin = args.get("confirm_within"), args.get("admin")
    if within is not None and not (isinstance(within, int | float) and 0 < within <= 86400):
        raise BadArguments("reload: confirm_within is a number of seconds, up to a day")
    return _given(args.get("files"), request.body), within, admin if isinstance(admin, str) else None


def _given(files: object, body: bytes) -> dict[Path, bytes] | None:
    """The files of a profile, in the order in which they are merged: `files` has path and length of each, `body` their texts."""
    if files is None and not body:
        return None
    if not isinstance(files, list) or not files or not all(_is_file(file) for file in files):
        raise BadArguments('reload: files is a list like [["/absolute/path", 123], …], with the number of bytes of each')
    if sum(length for _, length in files) != len(body):
        raise BadArguments("reload: the texts are not as long as files says")
    ends = accumulate(length for _, length in files)
    return {Path(path): body[end - length : end] for (path, length), end in zip(files, ends, strict=True)}


def _is_file(file: object) -> bool:
    match file:
        case [str(path), int(length)]:
            return path.startswith("/") and "\0" not in path and length >= 0
        case _:
            return False
