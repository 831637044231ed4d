"""The suites of operations, commands and wishes: what is well passes, and each promise that is broken is found."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from appliance.api.hookspecs import hookimpl
from appliance.api.management import ApiCall, ApiRoute, CliCommand, CliContext, Option, Refused
from appliance.api.planning import HostState, NftTable, Setting, Wish
from appliance.api.profile import Section
from appliance.planning.contributions import Contributors
from appliance.plugin_host.calling import LoadedPlugin
from appliance.plugin_host.plan_hooks import PlanHooks
from appliance.testing.conformance.management import CommandConformance, RouteConformance
from appliance.testing.conformance.planning import PlanConformance


class Which(Section):
    peer: str = "hub"


class Count(Section):
    count: int


async def answer(call: ApiCall) -> Any:
    return {"count": call.services.shared["count"]}


async def items(_call: ApiCall) -> AsyncIterator[Any]:
    for number in itertools.count():
        yield {"count": number}
        await asyncio.sleep(0)


class TestAnAnswer(RouteConformance):
    shared = {"count": 1}  # noqa: RUF012

    def route(self) -> ApiRoute:
        return ApiRoute("mesh.count", "node.read", answer, "count", arguments=lambda: Which, result=lambda: Count)


class TestAStream(RouteConformance):
    def route(self) -> ApiRoute:
        return ApiRoute("mesh.counts", "node.read", items, "count on", result=lambda: Count, stream=True)


class TestARefusal(RouteConformance):
    def route(self) -> ApiRoute:
        async def refuses(_call: ApiCall) -> Any:
            raise Refused("not here")

        return ApiRoute("mesh.count", "node.read", refuses, "count")


def show(context: CliContext) -> int:
    found = context.daemon.call("mesh.count", {"peer": context.arguments["peer"]})
    context.output.result(found, str(found))
    return 0


class TestACommand(CommandConformance):
    answers = {"mesh.count": {"count": 1}}  # noqa: RUF012

    def command(self) -> CliCommand:
        return CliCommand("mesh count", "count", show, (Option("--peer", "whose", "NAME"),))

    def words(self) -> Sequence[str]:
        return ("--peer", "hub")


def hooks(plan: Callable[..., Iterator[Wish]], *asked: str) -> Contributors:
    namespace = SimpleNamespace(
        appliance_observe=hookimpl(lambda profile: asked),
        appliance_plan=hookimpl(plan),
    )
    asks: Any = SimpleNamespace(section_of=lambda plugin, profile: None)
    return PlanHooks([LoadedPlugin("guard", namespace)], (), asks, lambda fault: None)


def modest(profile: Any, observed: HostState) -> Iterator[Wish]:
    if int(observed.sysctls["net.core.somaxconn"]) < 4096:
        yield Setting("net.core.somaxconn", "4096")
    yield NftTable([{"chain": {"name": profile.name}}])


class TestAPlan(PlanConformance):
    def hooks(self) -> Contributors:
        return hooks(modest, "net.core.somaxconn")


# ---- what is found ----


def broken(suite: type[Any], **of: Any) -> Any:
    return type("Broken", (suite,), {name: (lambda self, value=value: value) for name, value in of.items()})()


class Loose(BaseModel):
    peer: str = ""


async def unfit(_call: ApiCall) -> Any:
    return {"count": "many"}


async def no_json(_call: ApiCall) -> Any:
    return {"count": object()}


async def stubborn(_call: ApiCall) -> AsyncIterator[Any]:
    yield {"count": 1}
    for _ in range(3):
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize(
    ("route", "test"),
    [
        (ApiRoute("count", "node.read", answer, "count"), "it_can_be_registered"),
        (ApiRoute("mesh.count", "node.read", answer), "it_can_be_registered"),
        (
            ApiRoute("mesh.count", "node.read", answer, "s", arguments=lambda: Loose),
            "it_refuses_arguments_that_it_does_not_know",
        ),
        (ApiRoute("mesh.count", "node.read", items, "s"), "it_is_what_it_says"),
        (ApiRoute("mesh.count", "node.read", answer, "s", stream=True), "it_is_what_it_says"),
        (ApiRoute("mesh.count", "node.read", unfit, "s", result=lambda: Count), "it_answers_or_refuses"),
        (ApiRoute("mesh.count", "node.read", no_json, "s"), "it_answers_or_refuses"),
        (ApiRoute("mesh.count", "node.read", answer, "s"), "it_answers_or_refuses"),
        (ApiRoute("mesh.count", "node.read", stubborn, "s", stream=True), "it_answers_or_refuses"),
    ],
)
def test_an_operation_that_breaks_a_promise_is_found(route: ApiRoute, test: str) -> None:
    with pytest.raises(BaseException):  # noqa: B017  pytest's own failures are no Exception
        getattr(broken(RouteConformance, route=route), f"test_{test}")()


def talks(context: CliContext) -> int:
    context.output.say("peer hub")
    return 0


def unsaid(context: CliContext) -> int:
    del context
    return None  # type: ignore[return-value]


def raises(context: CliContext) -> int:
    return int(context.arguments["peer"])


@pytest.mark.parametrize(
    ("command", "test"),
    [
        (CliCommand("mesh count", "Count.", talks), "it_can_be_registered"),
        (CliCommand("mesh count", "count", talks, (Option("--peer", ""),)), "it_can_be_registered"),
        (CliCommand("mesh count", "count", talks), "with_json_it_writes_one_document"),
        (CliCommand("mesh count", "count", unsaid), "it_ends_with_an_exit_code"),
        (CliCommand("mesh count", "count", raises), "without_a_daemon_it_says_so"),
    ],
)
def test_a_command_that_breaks_a_promise_is_found(command: CliCommand, test: str) -> None:
    with pytest.raises(BaseException):  # noqa: B017  pytest's own failures are no Exception
        getattr(broken(CommandConformance, command=command), f"test_{test}")()


NUMBERS = itertools.count()


def moody(profile: Any, observed: HostState) -> Iterator[Wish]:
    del profile, observed
    yield Setting("net.core.somaxconn", str(next(NUMBERS)))


def unasked(profile: Any, observed: HostState) -> Iterator[Wish]:
    del profile, observed
    yield Setting("net.core.netdev_budget", "1")


def greedy(profile: Any, observed: HostState) -> Iterator[Wish]:
    del profile, observed
    yield Setting("net.ipv4.ip_forward", "1")


@pytest.mark.parametrize(
    ("plan", "test"),
    [
        (moody, "it_wants_the_same_each_time"),
        (moody, "what_was_applied_is_not_planned_again"),
        (unasked, "it_asks_for_what_it_sets"),
        (greedy, "a_plan_can_be_made_and_undone"),
    ],
)
def test_wishes_that_break_a_promise_are_found(plan: Callable[..., Iterator[Wish]], test: str) -> None:
    of = hooks(plan, "net.core.somaxconn", "net.ipv4.ip_forward")
    with pytest.raises(BaseException):  # noqa: B017  pytest's own failures are no Exception
        getattr(broken(PlanConformance, hooks=of), f"test_{test}")()
