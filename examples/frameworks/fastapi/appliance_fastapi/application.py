"""What an application gets: callers and the node as dependencies of its routes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

from appliance.sdk import Client, SDKError
from appliance_fastapi.callers import Caller, Callers
from appliance_fastapi.problems import Refused, answer
from appliance_fastapi.tracing import Tracing


class Appliance:
    """One for an application."""

    def __init__(
        self,
        url: str,
        *,
        issuer: str | None = None,
        http: Callable[[], httpx.AsyncClient] = httpx.AsyncClient,
        node: Callable[[], Client] | None = Client,
    ) -> None:
        """`url`: of the API server. `issuer`: see Callers. `http`: makes what fetches keys, with its own trust for example.
        `node`: makes the SDK's client of this host's node; None: the application reaches no peers."""
        self._url, self._issuer, self._http, self._node = url, issuer, http, node

    def install(self, app: FastAPI) -> None:
        """The trace of each request, and problems as answers."""
        app.add_middleware(Tracing)
        app.add_exception_handler(Refused, answer)
        app.add_exception_handler(SDKError, answer)

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncGenerator[None]:
        """Connections from the application's beginning to its end."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(self._http())
            app.state.callers = Callers(self._url, http, issuer=self._issuer)
            if self._node is not None:
                app.state.node = (
                    self._node()
                )  # it connects when it is asked for something, and may come later than the application
                stack.push_async_callback(app.state.node.close)
            yield


async def _caller(connection: HTTPConnection) -> Caller:
    callers: Callers = connection.app.state.callers
    return await callers.known(connection.headers.get("authorization", ""))


def _node(connection: HTTPConnection) -> Client:
    node: Client = connection.app.state.node
    return node


CallerIs = Annotated[Caller, Depends(_caller)]
"""A parameter of a route: anybody with a token."""
NodeIs = Annotated[Client, Depends(_node)]
"""A parameter of a route: the node of this host."""


def allowed(*roles: str, scope: str) -> Any:
    """For a parameter of a route: callers with one of the roles. A program's token must have that scope too: it may less than its
    user."""

    async def judged(caller: CallerIs) -> Caller:
        if not caller.may(roles, scope):
            hint = f"this takes one of the roles {', '.join(roles)}, and of a program's token the scope {scope}"
            raise Refused(HTTPStatus.FORBIDDEN, "Forbidden", "you may not do this", hint)
        return caller

    return Depends(judged)
