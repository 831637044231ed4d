"""Operations that plugins bring: their arguments judged, their answers checked, each within its limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from appliance.api.management import ApiCall, ApiRoute, RouteServices
from appliance.api.values import Problem
from appliance.control.conversation import Operation, Request
from appliance.errors import ApplianceError, ExitCode, PluginFault
from appliance.foundation.patience import as_exception
from appliance.foundation.tasks import cancelled
from appliance.profile.arguments import judged
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import GRACE, PluginCalls

MOST_BYTES: Final = 8 << 20
"""Of an answer, or of an item, as JSON: it is made in one go while the node waits."""


class BadArguments(ApplianceError):
    """The arguments of an operation are not what it takes."""

    exit_code = ExitCode.INVALID

    def __init__(self, message: str, *, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems

    def document(self) -> dict[str, Any]:
        """With what is wrong about each argument."""
        return super().document() | {"arguments": [problem._asdict() for problem in self.problems]}


class Closing(RouteServices, Protocol):
    """What is given to an operation, and closed when it has answered."""

    async def close(self) -> None:
        """End what it runs."""


Serve = Callable[[str], Closing]
"""What an operation of a plugin gets."""


def plugins_operations(calls: PluginCalls, routes: Mapping[str, tuple[str, ApiRoute]], serve: Serve) -> dict[str, Operation]:
    """Operations by name; `routes` has the plugin and the route of each."""
    return {name: Operation(route.permission, _handler(calls, plugin, route, serve)) for name, (plugin, route) in routes.items()}


def described(calls: PluginCalls, routes: Mapping[str, tuple[str, ApiRoute]]) -> list[dict[str, Any]]:
    """What others are told of the operations of plugins, by name. One whose models cannot be described has none."""
    return [
        {
            "name": name,
            "plugin": plugin,
            "summary": route.summary,
            "permission": route.permission,
            "stream": route.stream,
            "seconds": route.seconds,
            "arguments": _schema(calls, plugin, route, route.arguments),
            "result": _schema(calls, plugin, route, route.result),
        }
        for name, (plugin, route) in sorted(routes.items())
    ]


def _schema(calls: PluginCalls, plugin: str, route: ApiRoute, model: Callable[[], type[Any]] | None) -> dict[str, Any] | None:
    if model is None:
        return None
    try:
        found: dict[str, Any] = calls.call(Part("route", plugin, route.name), lambda: model().model_json_schema())
    except PluginFault:
        return None
    return found


def _handler(
    calls: PluginCalls, plugin: str, route: ApiRoute, serve: Serve
) -> Callable[[Request], Awaitable[Any] | AsyncGenerator[Any, None]]:
    served = _Served(calls, plugin, route, serve)
    return served.items if route.stream else served.answer


class _Served:
    """One route of a running node."""

    def __init__(self, calls: PluginCalls, plugin: str, route: ApiRoute, serve: Serve) -> None:
        self._calls = calls
        self._plugin = plugin
        self._serve = serve
        self._route = route
        self._part = Part("route", plugin, route.name)

    async def answer(self, request: Request) -> Any:
        """What the handler answers. Raises BadArguments, PluginFault, and what the handler may raise."""
        services = self._serve(self._plugin)
        try:
            call = self._asked(request, services)
            handler: Callable[[ApiCall], Awaitable[Any]] = self._route.handler  # type: ignore[assignment]  # it is no stream
            result = await self._calls.attend(self._part, lambda: handler(call), self._route.seconds, ApplianceError)
            return self._checked(result)
        finally:
            await services.close()

    async def items(self, request: Request) -> AsyncGenerator[Any, None]:
        """The items of a stream, one at a time. Raises as `answer`."""
        services = self._serve(self._plugin)
        try:
            call = self._asked(request, services)
            handler: Callable[[ApiCall], AsyncIterator[Any]] = self._route.handler  # type: ignore[assignment]  # it is a stream
            self._calls.refuse_hanging(self._part)
            following = _Following(lambda: handler(call))
            try:
                while (item := await self._next(following)) is not _END:
                    yield self._checked(item)
            finally:
                if not await following.end():
                    self._calls.failed(self._part, f"did not end within {GRACE:g} s when its caller had gone")
        finally:
            await services.close()

    async def _next(self, following: _Following) -> Any:
        try:
            return await following.take()
        except ApplianceError:
            raise
        except Exception as error:
            raise self._calls.failed(self._part, error) from error

    def _asked(self, request: Request, services: RouteServices) -> ApiCall:
        return ApiCall(request.principal, self._arguments(request.args), services)

    def _arguments(self, written: Mapping[str, Any]) -> Any:
        name, model = self._route.name, self._route.arguments
        if model is None:
            if written:
                raise BadArguments(f"{name} takes no arguments, found {', '.join(map(str, [*written][:5]))}")
            return None
        found, problems = self._calls.call(self._part, lambda: judged(model(), written))
        if problems:
            said = "; ".join(f"{problem.path or 'arguments'}: {problem.message}" for problem in problems[:5])
            raise BadArguments(f"{name}: {said}", hint=problems[0].hint, problems=problems)
        return found

    def _checked(self, result: Any) -> Any:
        """The answer as JSON has it. Raises PluginFault for what does not fit."""
        return self._calls.call(self._part, lambda: _plain(self._route, result))


def _plain(route: ApiRoute, result: Any) -> Any:
    if route.result is not None:
        result = route.result().model_validate(result).model_dump(mode="json", by_alias=True)
    text = json.dumps(result, default=str, allow_nan=False)
    if len(text) > MOST_BYTES:
        raise ValueError(f"the answer is longer than {MOST_BYTES >> 20} MiB")
    return json.loads(text)


_END: Final = object()


class _Following:
    """Runs a plugin's iterator in one task of its own, from its beginning to its end. It is one item ahead of who takes them."""

    def __init__(self, iterator: Callable[[], AsyncIterator[Any]]) -> None:
        self._iterator = iterator
        self._items: asyncio.Queue[Any] = asyncio.Queue(1)
        self._error: Exception | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="items of a plugin")

    async def take(self) -> Any:
        """The next item, or _END. Raises what the iterator raised, as an Exception."""
        item = await self._items.get()
        if item is _END and self._error is not None:
            raise self._error
        return item

    async def end(self) -> bool:
        """Nobody takes anything any more. False when the plugin does not let itself be stopped: then it is left behind."""
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=GRACE)
        return self._task.done()

    async def _run(self) -> None:
        try:
            iterator = self._iterator()
            if isinstance(iterator, Coroutine):
                iterator.close()
            try:
                async for item in iterator:
                    await self._items.put(item)
            finally:
                if isinstance(iterator, AsyncGenerator):
                    await iterator.aclose()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and cancelled():
                raise
            self._error = as_exception(error)
        with suppress(asyncio.CancelledError):
            await self._items.put(_END)
