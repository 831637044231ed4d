"""The parts of an API server, put together in one place: what asks the node, what is kept, and who carries out which row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from appliance.api.profile_management import Management
from appliance.api_server import traces as of_traces
from appliance.api_server.analytics import handlers as of_figures
from appliance.api_server.analytics.sampler import Sampler
from appliance.api_server.answering import Call, Handler
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Bearer, Caller, Unauthenticated, caller_of, local_caller, permitted
from appliance.api_server.exports.exporter import Exporter
from appliance.api_server.iam import handlers as iam
from appliance.api_server.iam.records import NoSuchRecord
from appliance.api_server.jobs.part import JobsPart
from appliance.api_server.kept import Kept
from appliance.api_server.logins import handlers as of_log_ins
from appliance.api_server.logins.log_ins import LogIns
from appliance.api_server.node_link import NodeLink, Settings
from appliance.api_server.others import Others
from appliance.api_server.plugins.operations import PluginOperations
from appliance.api_server.plugins.parts import PluginParts
from appliance.api_server.plugins.services import PartState
from appliance.api_server.reviews import handlers as of_reviews
from appliance.api_server.reviews.reviews import Reviews
from appliance.api_server.short_paths import ShortPaths
from appliance.api_server.store_keys import store_handlers
from appliance.api_server.topics import TopicStreams
from appliance.api_server.tracing.current import traced
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.entropy import random_bytes
from appliance.foundation.tasks import Tasks
from appliance.management.iam.users import State
from appliance.management.operations.table import ROWS

if TYPE_CHECKING:
    from appliance.api_server.tracing.part import TracingPart

FIGURES_SECONDS: Final = 5.0
"""How long the node may take to give its figures."""


class Parts:
    """Made by `open`, ended by `close`."""

    def __init__(self, settings: Settings, node: NodeLink, kept: Kept) -> None:
        self._settings = settings
        self._node = node
        self._kept = kept
        self.tracing = _tracing_of(settings, node)
        """None where the profile has none."""
        self.recorder = None if self.tracing is None else self.tracing.recorder
        self.asking = asking = Asking(node.ask if self.recorder is None else traced(node.ask), clock.monotonic)
        node.heard = asking.heard
        self.log_ins = LogIns(kept.accounts, Management.model_validate(settings.management))
        self.bearer: Bearer = iam.bearer_of(kept.accounts)
        self.jobs = JobsPart(
            kept.store,
            ROWS,
            asking,
            partial(node.follow, "events", {}, None),
            server=kept.server,
            node=settings.name if kept.shared else "",
            permitted=self.may,
            find=self._find,
            still=self._still,
        )
        self.plugin_operations = PluginOperations(asking.ask, node.follow, self.may, self._still)
        self.reviews = Reviews(kept.store, self.jobs.events, clock.wall, random_bytes, kept.server)
        self.exporter = Exporter(kept.store, self.jobs.events, settings.identity, clock.wall)
        self.answered: Counter[str] = Counter()
        """Requests, by the class of their answers."""
        self.refused: Mapping[str, int] = {}
        """Requests and connections that went no further than the edge, by reason."""
        self.short: Callable[[], Mapping[str, str]] = dict
        """What this process is short of."""
        self.signalling: Callable[[], PartState | None] = lambda: None
        """How WebRTC signalling is; None where there is none."""
        self.figures = Sampler(
            self.figures_of_all,
            kept.store,
            self._counted,
            self.jobs.events,
            suffix=kept.suffix,
            node=settings.name if kept.shared else "",
        )
        self._others = Tasks()
        self._ending = AsyncExitStack()

    @classmethod
    async def open(
        cls, folder: Path, settings: Settings, node: NodeLink, credentials: Mapping[str, bytes], plugins: PluginParts
    ) -> Self:
        """Open what is in that folder, and go on where the last one ended; `credentials` may have its key. Raises
        ApplianceError."""
        kept = await Kept.open(folder, settings, node.ask, credentials, plugins)
        made = cls(settings, node, kept)
        made._ending.push_async_callback(kept.close)
        if made.tracing is not None:
            await made.tracing.open()
            made._ending.push_async_callback(made.tracing.close)
        await made.jobs.open()
        plugins.run("exports", made.exporter.use)
        plugins.run("logins", made.log_ins.use)
        made._ending.push_async_callback(plugins.end_tasks)
        made._ending.push_async_callback(made.end_streams)
        made.figures.start()
        made._ending.push_async_callback(made.figures.close)
        await made.reviews.recover(kept.server)
        if kept.shared:
            made._others.spawn(Others(kept.store, kept.server, made._settle).run(), "other API servers")
            made._ending.push_async_callback(made._others.close)
        return made

    def handlers(self) -> dict[str, Handler]:
        """Of all rows that the API server carries out itself, by name."""
        return {
            **ShortPaths(
                self.asking,
                self._settings,
                self._kept.problem,
                clock.wall,
                self.figures.advice,
                self.signalling,
            ).handlers(),
            **iam.handlers(self._kept.accounts),
            **of_log_ins.handlers(self.log_ins),
            **self.jobs.handlers,
            **self.plugin_operations.handlers,
            **TopicStreams(self._node.follow, self._still).handlers,
            **of_figures.handlers(self.figures),
            **store_handlers(self._kept),
            **of_reviews.handlers(self.reviews, self.asking, self.may),
            **of_traces.handlers(None if self.tracing is None else self.tracing.recent),
        }

    def trouble(self) -> str:
        """What is wrong with what is kept; "" if nothing is."""
        return self._kept.trouble()

    async def end_streams(self) -> None:
        """End jobs and all who follow events. Safe to call twice."""
        await self.jobs.close()

    async def close(self) -> None:
        """End in order."""
        await self._ending.aclose()

    async def _settle(self, server: str) -> None:
        """What another API server left that is gone."""
        await self.jobs.jobs.settle(server)
        await self.reviews.recover(server)

    async def figures_of_all(self) -> Mapping[str, Any]:
        """The node's figures, and what this process is short of beside what the node is."""
        told: Mapping[str, Any] = await self._node.ask("metrics", {}, None, FIGURES_SECONDS)
        own = {f"{resource} of the API server": reason for resource, reason in self.short().items()}
        return {**told, "short": {**(told.get("short") or {}), **own}} if own else told

    def _counted(self) -> dict[str, Mapping[str, int]]:
        """What is counted in this process: it is followed over time, as the node's figures are."""
        return {
            "api.requests": self.answered,
            "api.refused": self.refused,
            "jobs": self.jobs.ended(),
            "exports.sent": self.exporter.sent,
        }

    async def named(self, name: str) -> Caller:
        """The user of that name, whose certificate a connection has. Raises Unauthenticated."""
        try:
            found = await self._kept.accounts.people.named(name)
        except NoSuchRecord:
            found = None
        if found is None or found.state != State.ACTIVE:
            raise Unauthenticated(f"the certificate's user {name} is not known here, or locked", hint="an admin can add the user")
        return Caller(found.name, found.roles, "certificate", found.id)

    def may(self, caller: Caller, permission: str) -> bool:
        """May he?"""
        return permitted(caller, permission, self._settings.added_roles)

    async def _still(self, call: Call) -> bool:
        """Is who asked still who he was, with the same rights?"""
        try:
            return await caller_of(call.request, self.bearer) == call.caller
        except ApplianceError as error:
            return error.retryable

    async def _find(self, name: str, user: str) -> Caller | None:
        """A caller as he is now; None if he is no more."""
        if not user:
            return local_caller(name)
        try:
            found = await self._kept.accounts.people.get(user)
        except NoSuchRecord:
            return None
        return Caller(found.name, found.roles, "job", found.id) if found.state == State.ACTIVE else None


def _tracing_of(settings: Settings, node: NodeLink) -> TracingPart | None:
    tracing = Management.model_validate(settings.management).tracing
    if tracing is None:
        return None
    from appliance.api_server.tracing.part import Joints, TracingPart

    joints = Joints(partial(node.follow, "api_spans", {}, None), node.tracing_headers, node.tell_tracing)
    about = {
        "service.namespace": "appliance",
        "service.version": settings.version,
        "service.instance.id": settings.identity,
        "appliance.node.name": settings.name,
    }
    return TracingPart(tracing, joints, about)
