"""What every operation and every command of a plugin does."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest

from appliance.api.management import ApiCall, ApiRoute, ApplianceError, CliCommand, Refused
from appliance.cli.plugin_commands import LAST_CODE
from appliance.plugin_host.added import check_command, check_route
from appliance.testing.conformance.limits import Limited
from appliance.testing.conformance.turning import Turning
from appliance.testing.management import FakeDaemon, FakeRouteServices, Ran, api_call, run_command

ITEMS = 3
"""Items that are taken from a stream, if it has so many within a moment."""
MOMENT = 1.0
GRACE = 0.5
"""Seconds that the daemon grants a stream to end."""


class RouteConformance(Limited):
    """Subclass it, name the subclass Test…, and return your route and arguments that it takes."""

    shared: Mapping[str, Any] = {}
    """What other parts of your plugin have put into `services.shared`."""

    def route(self) -> ApiRoute:
        """The operation to try."""
        raise NotImplementedError

    def subject(self) -> str:
        """Its name."""
        return f"operation {self.route().name}"

    def arguments(self) -> Mapping[str, Any]:
        """What a caller would say."""
        return {}

    def services(self) -> FakeRouteServices:
        """What the handler finds."""
        services = FakeRouteServices()
        services.shared.update(self.shared)
        return services

    def call(self) -> ApiCall:
        """A question with these arguments."""
        model = self.route().arguments
        return api_call(None if model is None else model().model_validate(self.arguments()), services=self.services())

    def test_it_can_be_registered(self) -> None:
        check_route(self.route())
        assert self.route().summary, "appliance shows it to admins: say in a line what it is for"

    def test_it_refuses_arguments_that_it_does_not_know(self) -> None:
        model = self.route().arguments
        if model is None:
            assert not self.arguments(), "without a model there are no arguments"
            return
        model().model_validate(self.arguments())
        with pytest.raises(ValueError, match="no_such_argument"):
            model().model_validate({**self.arguments(), "no_such_argument": 1})

    def test_it_is_what_it_says(self) -> None:
        handler: Any = self.route().handler
        function = handler if inspect.isroutine(handler) else type(handler).__call__
        if self.route().stream:
            assert not inspect.iscoroutinefunction(function), "a stream is an asynchronous generator"
        else:
            assert not inspect.isasyncgenfunction(function), "an asynchronous generator is a stream: say stream=True"

    def test_it_answers_or_refuses(self) -> None:
        asyncio.run(self._stream() if self.route().stream else self._answer())

    async def _answer(self) -> None:
        handler: Any = self.route().handler
        try:
            async with Turning(), asyncio.timeout(self.route().seconds):
                answer = await handler(self.call())
        except Refused:
            return
        self._judge(answer)

    async def _stream(self) -> None:
        handler: Any = self.route().handler
        before = asyncio.all_tasks()
        items = handler(self.call())
        taking = asyncio.ensure_future(self._take(items))
        await asyncio.wait({taking}, timeout=MOMENT)
        taking.cancel()
        await asyncio.wait({taking}, timeout=GRACE)
        assert taking.done(), f"it goes on {GRACE:g} s after its caller went"
        if not taking.cancelled() and not isinstance(taking.exception(), Refused):
            taking.result()
        if isinstance(items, AsyncGenerator):
            await items.aclose()
        await asyncio.sleep(0)
        assert not asyncio.all_tasks() - before, "tasks were left behind"

    async def _take(self, items: Any) -> None:
        number = 0
        async for item in items:
            self._judge(item)
            number += 1
            if number == ITEMS:
                return

    def _judge(self, answer: Any) -> None:
        model = self.route().result
        if model is not None:
            answer = model().model_validate(answer).model_dump(mode="json")
        try:
            json.dumps(answer, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"it answers with what is no JSON: {error}") from error


class CommandConformance(Limited):
    """Subclass it, name the subclass Test…, and return your command and words that it takes."""

    answers: Mapping[str, Any] = {}
    """What the daemon answers, by operation; see `testing.management.FakeDaemon`."""

    def command(self) -> CliCommand:
        """The command to try."""
        raise NotImplementedError

    def subject(self) -> str:
        """Its name."""
        return f"command {self.command().name}"

    def words(self) -> Sequence[str]:
        """What is typed behind it."""
        return ()

    def run(self, *more: str, daemon: FakeDaemon | None = None) -> Ran | ApplianceError:
        """How it ends."""
        try:
            return run_command(self.command(), *self.words(), *more, daemon=daemon or FakeDaemon(self.answers))
        except ApplianceError as error:
            return error

    def test_it_can_be_registered(self) -> None:
        command = self.command()
        check_command(command)
        assert command.summary, "appliance --help shows it: say in a line what it does"
        assert not command.summary.endswith("."), "the summary stands in a list: no full stop"
        assert all(argument.help for argument in command.arguments), "each argument has a help text"

    def test_it_ends_with_an_exit_code(self) -> None:
        ended = self.run()
        if isinstance(ended, Ran):
            assert type(ended.code) is int, f"it returned {ended.code!r}"
            assert 0 <= ended.code <= LAST_CODE

    def test_with_json_it_writes_one_document(self) -> None:
        ended = self.run("--json")
        if isinstance(ended, Ran) and ended.out:
            json.loads(ended.out)

    def test_without_a_daemon_it_says_so(self) -> None:
        ended = self.run(daemon=FakeDaemon())
        assert isinstance(ended, Ran) or ended.message
