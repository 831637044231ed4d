"""What stands before the application, for requests and WebSockets alike:

id and trace ─ who sent it ─ meant for this host? ─ page of ours? ─ rate ─ is there enough? ─ preflight ─ the application
   ─ header fields
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.api.profile_management import Management
from appliance.api.values import group_of
from appliance.api_server.caller import LOCAL
from appliance.api_server.edge import forwarded, headers, origins
from appliance.api_server.edge.figures import Figures
from appliance.api_server.edge.limits import Buckets, Turns
from appliance.api_server.edge.shedding import Shedding
from appliance.api_server.problems import problem
from appliance.api_server.refusals import ForeignOrigin, Refused, TooManyRequests, WrongHost
from appliance.api_server.tracing.current import Place, within
from appliance.api_server.tracing.requests import began, ended
from appliance.foundation import clock
from appliance.foundation.entropy import random_bytes
from appliance.foundation.logging import get_logger
from appliance.management.tracing.context import Trace, continued
from appliance.management.tracing.span import Kind, OpenSpan, Recorder

log = get_logger("api")

REQUEST_ID: Final = "x-request-id"
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SAFE: Final = {"GET", "HEAD", "OPTIONS"}
METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED: Final = "Age, Cache-Status, ETag, Link, Location, Retry-After, Server-Timing, Traceparent, X-Api-Version, X-Request-Id"
PREFLIGHT_SECONDS: Final = 600
"""How long a browser may remember what it was allowed."""


class Rules(NamedTuple):
    """What the profile says."""

    names: Collection[str] = ()
    """Hosts that this one is called, in lower case."""
    cors: Collection[str] = ()
    """Origins whose pages may ask."""
    proxies: Sequence[forwarded.Network] = ()

    @classmethod
    def of(cls, management: Management) -> Rules:
        """From the profile's section."""
        names = frozenset(name.lower() for name in management.names)
        return cls(names, frozenset(management.cors), management.proxy)


class Tolls(NamedTuple):
    """What is counted of senders and users."""

    addresses: Buckets
    users: Buckets
    turns: Turns


class Guard:
    """ASGI."""

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        tolls: Tolls,
        figures: Figures,
        shedding: Shedding,
        recorder: Recorder | None = None,
    ) -> None:
        """`recorder`: None where nothing is traced."""
        self._app = app
        self._shedding = shedding
        self._recorder = recorder
        self._rules = rules
        self._tolls = tolls
        self._figures = figures
        self._streams: set[asyncio.Task[Any]] = set()
        self._ending = False

    def end(self) -> None:
        """End all answers that have no end of their own."""
        self._ending = True
        for task in self._streams:
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request, and have it answered."""
        if scope["type"] not in {"http", "websocket"}:
            return
        passage = _Passage(self._figures, self._rules, scope, send, self._recorder)
        try:
            self._judge(scope, passage.headers)
        except Refused as error:
            self._figures.refused[error.reason] += 1
            log.debug("refused", reason=error.reason, message=error.message, request=passage.id, trace_id=passage.trace.trace)
            await problem(error, passage.id)(scope, receive, passage.send)
            return
        if (allowed := self._preflight(scope, passage.headers)) is not None:
            await allowed(scope, receive, passage.send)
            return
        if self._recorder is None or passage.span is None:
            await self._pass_on(passage, receive)
            return
        place = None if scope["type"] == "websocket" else Place(passage.trace, self._recorder)  # each of its questions has one
        with within(place, passage.span):
            await self._pass_on(passage, receive)

    async def _pass_on(self, passage: _Passage, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None
        users: list[str] = []

        def toll(user: str) -> None:
            """Called once it is known who asks. Raises TooManyRequests."""
            wait = self._tolls.users.take(user, clock.monotonic())
            if not wait and self._tolls.turns.take(user):
                users.append(user)
                return
            self._figures.refused["rate-of-user" if wait else "at-once"] += 1
            raise TooManyRequests("this user asks too much at once", wait or 1.0)

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_stream(message):
                self._streams.add(task)
                self._figures.streams += 1
            await passage.send(message)

        passage.scope["state"] = {**passage.scope.get("state", {}), "toll": toll}
        try:
            await self._app(passage.scope, receive, send)
        except asyncio.CancelledError:
            if not (self._ending and task in self._streams):
                raise
            task.uncancel()
            await passage.send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for user in users:
                self._tolls.turns.leave(user)
            if task in self._streams:
                self._streams.discard(task)
                self._figures.streams -= 1

    def _judge(self, scope: Scope, given: Headers) -> None:
        """Raises Refused."""
        self._find_sender(scope, given)
        client = scope["client"]
        local = client is not None and client[0] == LOCAL
        at = (scope.get("server") or ("",))[0]  # the Unix socket has none
        if not local and not origins.meant_for(given.get("host", ""), at, self._rules.names):
            raise WrongHost(
                f"this host is not called {origins.host_of(given.get('host', ''))[:80]!r}",
                hint="name it in management.names, if it is",
            )
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        scheme = scope["scheme"].replace("ws", "http", 1)
        if changes and not origins.is_own_page(given, scheme, self._rules.cors):
            raise ForeignOrigin("a page of another origin asks", hint="name its origin in management.cors, if it may")
        if not local and client is not None and (wait := self._tolls.addresses.take(group_of(client[0]), clock.monotonic())):
            raise TooManyRequests("too many requests come from this address", wait)
        self._shedding.judge(scope, given)

    def _find_sender(self, scope: Scope, given: Headers) -> None:
        client = scope.get("state", {}).get("client", scope["client"])
        if client is not None and client[0] == LOCAL and any(name in given for name in forwarded.HEADERS):
            client = "proxy", 0  # whose user asks is not who sent it
        elif client is not None and forwarded.is_trusted(client[0], self._rules.proxies):
            sender = forwarded.sender_of(client[0], given, self._rules.proxies)
            client = sender.address, 0
            if sender.scheme:
                scope["scheme"] = sender.scheme.replace("http", "ws") if scope["type"] == "websocket" else sender.scheme
        scope["client"] = client

    def _preflight(self, scope: Scope, given: Headers) -> Response | None:
        """The answer to a browser that asks whether a page may ask (Fetch, CORS preflight); None if this is something else."""
        if scope["type"] != "http" or scope["method"] != "OPTIONS" or "access-control-request-method" not in given:
            return None
        if given.get("origin") not in self._rules.cors:
            return None
        return Response(
            status_code=204,
            headers={
                "access-control-allow-methods": METHODS,
                "access-control-allow-headers": "authorization, content-type, idempotency-key, if-match, if-none-match, "
                "last-event-id, traceparent, x-request-id",
                "access-control-max-age": str(PREFLIGHT_SECONDS),
            },
        )


class _Passage:
    """One request on its way, which is a step of a trace."""

    def __init__(self, figures: Figures, rules: Rules, scope: Scope, send: Send, recorder: Recorder | None) -> None:
        self.scope = scope
        self.headers = Headers(scope=scope)
        given = self.headers.get(REQUEST_ID, "")
        self.id = given if _ID.fullmatch(given) else random_bytes(8).hex()
        self.trace, self.span = self._step(self.headers.get("traceparent", ""), recorder)
        self._origin = self.headers.get("origin", "")
        self._rules = rules
        self._figures = figures
        self._send = send
        kept = [pair for pair in scope["headers"] if pair[0] not in {b"x-request-id", b"traceparent"}]
        more = [(b"x-request-id", self.id.encode()), (b"traceparent", str(self.trace).encode())]
        scope["headers"] = [*kept, *more]  # whoever reads them sees what is answered

    async def send(self, message: Message) -> None:
        """With the header fields that every answer has."""
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self._figures.answered(message["status"])
            self._add(MutableHeaders(raw=message.setdefault("headers", [])))
        if self.span is not None:
            ended(self.span, message)
        await self._send(message)

    def _step(self, traceparent: str, recorder: Recorder | None) -> tuple[Trace, OpenSpan | None]:
        if recorder is None:
            return continued(traceparent, random_bytes), None
        trace, span = recorder.request(traceparent, "", Kind.SERVER)
        if span is not None:
            began(span, self.scope, self.id)
        return trace, span

    def _add(self, fields: MutableHeaders) -> None:
        for name, value in headers.SECURITY:
            fields.setdefault(name.decode(), value.decode())
        fields[REQUEST_ID] = self.id
        fields["traceparent"] = str(self.trace)
        if self.scope["scheme"] in {"https", "wss"}:
            fields.setdefault(*(each.decode() for each in headers.HSTS))
        if self._rules.cors:
            fields.add_vary_header("Origin")
        if self._origin in self._rules.cors:
            fields["access-control-allow-origin"] = self._origin
            fields["access-control-expose-headers"] = EXPOSED
            fields["cross-origin-resource-policy"] = "cross-origin"


def _is_stream(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"])
