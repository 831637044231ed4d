"""Plugins that behave and plugins that do not: each failure is told of its plugin, and the others work on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api import ENTRY_POINT_GROUP, STANDARD_PLUGINS
from appliance.api.crypto import CryptoSuite
from appliance.api.discovery import DiscoveryKind
from appliance.api.hookspecs import hookimpl
from appliance.api.management import ApiRoute, CliCommand, Option, Positional, Principal, Verdict
from appliance.api.peer_protocol import Limits, PeerProtocolKind
from appliance.api.planning import HostState, Setting
from appliance.api.routing import RoutingKind
from appliance.api.values import Problem
from appliance.errors import PluginFault
from appliance.plugin_host import PluginHost
from appliance.plugin_host.facts import PluginFact
from appliance.plugin_host.installed import Installed

SUITE = CryptoSuite("mine", 0x8001, 32, 16, "package.module:Class")
ROOT = Principal("local", "root", 0)
ANY: Any = None


class Shelf(dict[str, Installed]):
    """Installed plugins whose modules are written here."""

    def put(self, name: str, namespace: object = None, load: Callable[[], object] | None = None, version: str = "1.2") -> None:
        shelved = _Shelved(name, EntryPoint(name, "x", ENTRY_POINT_GROUP), f"dist-{name}", version)
        shelved.deed = load or (lambda: namespace)
        self[name] = shelved

    def hooks(self, name: str, **hooks: Callable[..., object]) -> None:
        self.put(name, SimpleNamespace(**{hook: hookimpl(deed) for hook, deed in hooks.items()}))

    def host(self, *names: str) -> PluginHost:
        return PluginHost.load(names or tuple(self), self)


class _Shelved(Installed):
    deed: Callable[[], object]

    def load(self) -> object:
        return self.deed()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def fact(host: PluginHost, name: str) -> PluginFact:
    return next(each for each in host.facts if each.name == name)


def good(shelf: Shelf) -> None:
    shelf.hooks("good", appliance_routing=lambda: [RoutingKind("good", None, ANY_ROUTER)])


def ANY_ROUTER() -> Any:
    return None


# ---- loading ----


def test_the_standard_plugins_provide_what_the_profile_defaults_to() -> None:
    host = PluginHost.load(STANDARD_PLUGINS)
    assert not host.broken
    assert set(host.transports) == {"udp", "tcp"}
    assert set(host.suites) >= {"aes-256-gcm", "chacha20-poly1305", "hse"}
    assert set(host.routing) == {"static"}
    assert set(host.discovery) == {"bootstrap"}
    assert set(host.monitors) == {"prometheus", "health"}
    assert fact(host, "transport-ip").provides == ("transport udp", "transport tcp")
    json.dumps(host.report())


def test_only_named_plugins_are_imported() -> None:
    code = (
        "import sys; from appliance.plugin_host import PluginHost; host = PluginHost.load(['routing-static'])\n"
        "print(*(m for m in sys.modules if m.startswith('appliance_') or m in ('pydantic', 'asyncio', 'prometheus_client')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} == {"appliance_routing_static"}


def test_a_plugin_that_is_not_installed_is_named_with_what_is(shelf: Shelf) -> None:
    good(shelf)
    host = shelf.host("goood", "good")
    assert fact(host, "goood").stage == "find"
    assert "good" in host.routing
    shelf.hooks("other")
    assert "other" in fact(shelf.host("othr", "good"), "othr").hint


def raising(error: BaseException) -> Callable[..., Any]:
    def deed() -> object:
        raise error

    return deed


@pytest.mark.parametrize("error", [ImportError("no module named x"), ValueError("bad\nsecond line"), SystemExit(3)])
def test_an_import_that_fails_is_its_own_plugins_fault(shelf: Shelf, error: BaseException) -> None:
    shelf.put("bad", load=raising(error))
    good(shelf)
    host = shelf.host()
    assert (fact(host, "bad").state, fact(host, "bad").stage) == ("failed", "import")
    assert type(error).__name__ in fact(host, "bad").problem
    assert "second line" not in fact(host, "bad").problem
    assert (fact(host, "good").state, fact(host, "bad").version) == ("active", "1.2")


def test_two_distributions_with_one_name_are_both_named(shelf: Shelf) -> None:
    good(shelf)
    shelf["good"] = Installed(*shelf["good"][:4], rivals=("evil-twin",))
    problem = fact(shelf.host(), "good").problem
    assert "dist-good" in problem
    assert "evil-twin" in problem


def test_ctrl_c_is_not_a_plugins_fault(shelf: Shelf) -> None:
    shelf.put("slow", load=lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        shelf.host()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), BaseException("odd")])
def test_whatever_a_plugin_raises_is_its_fault(shelf: Shelf, raised: BaseException) -> None:
    shelf.put("import", load=raising(raised))
    shelf.hooks("hook", appliance_routing=raising(raised))
    shelf.hooks("items", appliance_routing=lambda: (raising(raised)() for _ in range(1)))
    host = shelf.host()
    for name in ("import", "hook", "items"):
        assert f"raised {type(raised).__name__}" in fact(host, name).problem


# ---- registering ----


def test_a_name_belongs_to_who_came_first_and_both_are_named(shelf: Shelf) -> None:
    good(shelf)
    shelf.hooks("copy", appliance_routing=lambda: [RoutingKind("good", None, ANY_ROUTER), RoutingKind("own", None, ANY_ROUTER)])
    host = shelf.host()
    assert host.owner("routing", "good") == "good"
    assert fact(host, "copy").state == "degraded"
    assert fact(host, "copy").provides == ("routing own",)
    assert "good" in fact(host, "copy").problem
    assert "copy" in fact(host, "copy").problem


def test_a_suites_number_is_a_name_too(shelf: Shelf) -> None:
    shelf.hooks("one", appliance_crypto_suites=lambda: [SUITE])
    shelf.hooks("two", appliance_crypto_suites=lambda: [CryptoSuite("other", 0x8001, 32, 16, "a:b")])
    host = shelf.host()
    assert set(host.suites) == {"mine"}
    assert "0x8001" in fact(host, "two").problem


@pytest.mark.parametrize(
    "suite",
    [
        CryptoSuite("mine", 0, 32, 16, "a:b"),
        CryptoSuite("mine", 0x10000, 32, 16, "a:b"),
        CryptoSuite("mine", 0x8001, 8, 16, "a:b"),
        CryptoSuite("mine", 0x8001, 32, 0, "a:b"),
        CryptoSuite("mine", 0x8001, 32, 16, "no path"),
        CryptoSuite("Mine!", 0x8001, 32, 16, "a:b"),
        CryptoSuite(7, 0x8001, 32, 16, "a:b"),  # type: ignore[arg-type]
        CryptoSuite("mine", "x", 32, 16, "a:b"),  # type: ignore[arg-type]
        "aes-256-gcm",
        None,
    ],
)
def test_what_no_suite_can_be_is_refused(shelf: Shelf, suite: object) -> None:
    shelf.hooks("bad", appliance_crypto_suites=lambda: [suite])
    host = shelf.host()
    assert not host.suites
    assert fact(host, "bad").stage == "register"


@pytest.mark.parametrize(
    "kind",
    [
        PeerProtocolKind("compression", None, ANY_ROUTER),
        PeerProtocolKind("with_underscore", None, ANY_ROUTER),
        PeerProtocolKind("x" * 32, None, ANY_ROUTER),
        PeerProtocolKind("mine", None, ANY),
        PeerProtocolKind("mine", None, ANY_ROUTER, Limits(messages=0)),
        PeerProtocolKind("mine", None, ANY_ROUTER, Limits(messages=1001)),
        PeerProtocolKind("mine", None, ANY_ROUTER, Limits(bytes=float("nan"))),
        PeerProtocolKind("mine", None, ANY_ROUTER, Limits(waiting=10_000)),
        PeerProtocolKind("mine", None, ANY_ROUTER, Limits(requests=-1)),
        PeerProtocolKind("mine", None, ANY_ROUTER, ANY),
    ],
)
def test_what_no_peer_protocol_can_be_is_refused(shelf: Shelf, kind: PeerProtocolKind) -> None:
    shelf.hooks("bad", appliance_peer_protocols=lambda: [kind, PeerProtocolKind("good", None, ANY_ROUTER)])
    host = shelf.host()
    assert set(host.protocols) == {"good"}
    assert fact(host, "bad").stage == "register"
    assert fact(host, "bad").provides == ("protocol good",)


def endless() -> Iterator[RoutingKind]:
    while True:
        yield RoutingKind("x", None, ANY_ROUTER)


def breaking() -> Iterator[RoutingKind]:
    yield RoutingKind("x", None, ANY_ROUTER)
    raise RuntimeError("halfway")


@pytest.mark.parametrize(
    "result", [lambda: 7, lambda: "text", endless, breaking, raising(OSError("disk")), raising(SystemExit())]
)
def test_a_hook_that_fails_is_its_own_plugins_fault(shelf: Shelf, result: Callable[[], object]) -> None:
    shelf.hooks("bad", appliance_routing=result)
    good(shelf)
    host = shelf.host()
    assert set(host.routing) == {"good"}
    assert fact(host, "bad").state == "failed"
    assert "appliance_routing" in fact(host, "bad").problem


def test_arguments_that_do_not_exist_are_told(shelf: Shelf) -> None:
    shelf.hooks("bad", appliance_routing=lambda profile: [])
    assert "profile" in fact(shelf.host(), "bad").problem


def test_a_misspelt_hook_is_told_with_the_right_one(shelf: Shelf) -> None:
    shelf.hooks("bad", appliance_routings=endless)
    assert "did you mean appliance_routing?" in fact(shelf.host(), "bad").problem


def test_a_forgotten_marker_is_told(shelf: Shelf) -> None:
    shelf.put("bad", SimpleNamespace(appliance_routing=tuple))
    assert "@hookimpl" in fact(shelf.host(), "bad").problem


def test_a_plugin_without_hooks_is_no_trouble(shelf: Shelf) -> None:
    shelf.put("empty", SimpleNamespace())
    assert fact(shelf.host(), "empty").state == "active"


def test_a_core_section_cannot_be_taken(shelf: Shelf) -> None:
    from appliance.api.profile import ProfileSection, Section

    shelf.hooks("bad", appliance_profile_sections=lambda: [ProfileSection("network", lambda: Section)])
    shelf.hooks("fine", appliance_profile_sections=lambda: [ProfileSection("extra", lambda: Section)])
    host = shelf.host()
    assert [section.name for section in host.sections] == ["extra"]
    assert "core's own" in fact(host, "bad").problem


def test_a_plugin_has_one_section(shelf: Shelf) -> None:
    from appliance.api.profile import ProfileSection, Section

    class Mail(Section):
        host: str = "nowhere"

    shelf.hooks(
        "mail", appliance_profile_sections=lambda: [ProfileSection("mail", lambda: Mail), ProfileSection("more", lambda: Mail)]
    )
    shelf.hooks("none")
    host = shelf.host()
    assert "a plugin has one section, and this one has 'mail'" in fact(host, "mail").problem
    profile = load_with(host)
    assert host.section_of("mail", profile) == Mail(host="here")
    assert host.section_of("none", profile) is None


def load_with(host: PluginHost) -> Any:
    from appliance.profile.model import profile_model

    network = {"addresses": ["10.8.0.1/24"]}
    return profile_model(host.sections).model_validate({"profile": 1, "network": network, "mail": {"host": "here"}})


def test_no_discovery_kind_is_called_as_one_of_the_core(shelf: Shelf) -> None:
    shelf.hooks(
        "bad", appliance_discovery=lambda: [DiscoveryKind("dht", None, ANY_ROUTER), DiscoveryKind("lan", None, ANY_ROUTER)]
    )
    host = shelf.host()
    assert set(host.discovery) == {"lan"}
    assert "core's own" in fact(host, "bad").problem


def test_no_routing_kind_is_called_as_a_key_of_the_core(shelf: Shelf) -> None:
    shelf.hooks("odd", appliance_routing=lambda: [RoutingKind("kind", None, ANY_ROUTER)])
    host = shelf.host()
    assert not host.routing
    assert "another key of routing" in fact(host, "odd").problem


@pytest.mark.parametrize("model", [7, dict, SimpleNamespace()])
def test_settings_give_a_pydantic_model(shelf: Shelf, model: Any) -> None:
    shelf.hooks("odd", appliance_routing=lambda: [RoutingKind("odd", lambda: model, ANY_ROUTER)])
    (kind,) = shelf.host().kinds.routing or ()
    with pytest.raises(PluginFault, match=r"settings of routing odd gave .*, wanted a pydantic model"):
        kind.settings()  # type: ignore[misc]


def test_settings_are_none_or_can_be_called(shelf: Shelf) -> None:
    wrong: Any = {"port": 1}
    shelf.hooks("odd", appliance_routing=lambda: [RoutingKind("odd", wrong, ANY_ROUTER)])
    assert "settings of 'odd' cannot be called" in fact(shelf.host(), "odd").problem


# ---- asking ----


def test_problems_of_all_plugins_and_of_failing_ones(shelf: Shelf) -> None:
    shelf.hooks("one", appliance_check_profile=lambda profile, host: [Problem("network.mtu", "odd")])
    shelf.hooks("two", appliance_check_profile=raising_with(ValueError("x")))
    problems = shelf.host().check_profile(ANY, None)
    assert [problem.path for problem in problems] == ["network.mtu", "plugins"]
    assert "two" in problems[1].message


def test_a_plugin_is_asked_about_its_own_section(shelf: Shelf) -> None:
    from appliance.api.profile import ProfileSection, Section

    class Mail(Section):
        host: str = "nowhere"

    seen: dict[str, Any] = {}

    def note(hook: str, answer: Any) -> Callable[..., Any]:
        return lambda section: (seen.update({hook: section}), answer)[1]

    hooks = {
        "appliance_check_profile": [],
        "appliance_observe": [],
        "appliance_plan": [],
        "appliance_load_identity": b"secret",
        "appliance_authorize": None,
    }
    shelf.hooks(
        "mail",
        appliance_profile_sections=lambda: [ProfileSection("mail", lambda: Mail)],
        **{hook: note(hook, answer) for hook, answer in hooks.items()},
    )
    host = shelf.host()
    profile = load_with(host)
    host.plan.observe(profile)
    host.plan.plan(profile, HostState())
    host.plan.check(profile, HostState())
    host.load_identity("vault:x", profile)
    host.opinions(lambda: profile)["mail"](ROOT, "p", "")
    assert seen == dict.fromkeys(hooks, Mail(host="here"))


def raising_with(error: Exception) -> Callable[..., Any]:
    def deed(profile: object) -> object:
        raise error

    return deed


def test_a_plan_is_whole_or_not_at_all(shelf: Shelf) -> None:
    wish = Setting("net.core.somaxconn", "1")
    shelf.hooks("one", appliance_observe=lambda profile: ["net.core.somaxconn"], appliance_plan=lambda profile, observed: [wish])
    assert shelf.host().plan.observe(ANY) == {"one": ("net.core.somaxconn",)}
    assert shelf.host().plan.plan(ANY, HostState()) == {"one": (wish,)}
    shelf.hooks("two", appliance_plan=lambda profile: ["a step"])
    host = shelf.host()
    with pytest.raises(PluginFault, match="two"):
        host.plan.plan(ANY, HostState())
    assert fact(host, "two").stage == "plan"


def test_what_a_plugin_that_does_not_load_had_done_is_left(shelf: Shelf) -> None:
    shelf.put("half", load=raising(ImportError("half an upgrade")))
    shelf.hooks("fine")
    assert shelf.host("half", "fine", "gone").plan.kept == {"half"}


def test_the_first_identity_wins(shelf: Shelf) -> None:
    shelf.hooks("not-mine", appliance_load_identity=lambda reference: None)
    shelf.hooks("vault", appliance_load_identity=lambda reference: reference.encode())
    shelf.hooks("late", appliance_load_identity=lambda reference: b"late")
    host = shelf.host()
    assert host.load_identity("vault:x", ANY) == b"vault:x"
    assert shelf.host("not-mine").load_identity("vault:x", ANY) is None


def test_an_identity_that_fails_stops_the_search(shelf: Shelf) -> None:
    shelf.hooks("bad", appliance_load_identity=lambda reference: "text")
    shelf.hooks("late", appliance_load_identity=lambda reference: b"late")
    with pytest.raises(PluginFault, match="bad"):
        shelf.host().load_identity("vault:x", ANY)


def test_each_plugin_with_an_opinion_is_asked_by_itself(shelf: Shelf) -> None:
    shelf.hooks("silent")
    shelf.hooks("yes", appliance_authorize=lambda permission: Verdict.ALLOW if permission == "p" else None)
    shelf.hooks("odd", appliance_authorize=lambda principal: "yes")
    opinions = shelf.host().opinions(lambda: ANY)
    assert list(opinions) == ["yes", "odd"]
    assert [opinions["yes"](ROOT, permission, "") for permission in ("p", "q")] == [Verdict.ALLOW, None]
    with pytest.raises(TypeError, match="a str, wanted Verdict"):
        opinions["odd"](ROOT, "p", "")


async def handler(call: Any) -> None: ...


def test_routes_and_commands_with_one_name_are_taken_once(shelf: Shelf) -> None:
    for name in ("one", "two"):
        shelf.hooks(
            name,
            appliance_api_routes=lambda: [ApiRoute("mesh.same", "mesh.read", handler)],
            appliance_cli_commands=lambda: [CliCommand("same", "s", lambda context: 0)],
        )
    host = shelf.host()
    assert host.api_routes()["mesh.same"][0] == host.cli_commands()["same"][0] == "one"
    assert len(host.api_routes()) == len(host.cli_commands()) == 1
    assert "one" in fact(host, "two").problem


@pytest.mark.parametrize(
    "route",
    [
        ApiRoute("status", "p", handler),
        ApiRoute("Mesh.x", "p", handler),
        ApiRoute("mesh.x", "may I?", handler),
        ApiRoute("mesh.x", "p", ANY),
        ApiRoute("mesh.x", "p", handler, seconds=0),
        ApiRoute("mesh.x", "p", handler, seconds=601),
        ApiRoute("mesh.x", "p", handler, seconds="soon"),  # type: ignore[arg-type]
        ApiRoute("mesh.x", "p", handler, arguments="Model"),  # type: ignore[arg-type]
    ],
)
def test_a_route_that_is_none_is_refused_and_the_others_are_not(shelf: Shelf, route: ApiRoute) -> None:
    shelf.hooks("odd", appliance_api_routes=lambda: [route, ApiRoute("mesh.y", "p", handler)])
    host = shelf.host()
    assert list(host.api_routes()) == ["mesh.y"]
    assert fact(host, "odd").stage == "register"


@pytest.mark.parametrize(
    "command",
    [
        CliCommand("Mesh", "s", ANY_ROUTER),
        CliCommand("mesh and more", "s", ANY_ROUTER),
        CliCommand("mesh", "s", ANY),
        CliCommand("mesh", "s", ANY_ROUTER, (Option("-s", "h"),)),
        CliCommand("mesh", "s", ANY_ROUTER, (Option("--json", "h"),)),
        CliCommand("mesh", "s", ANY_ROUTER, (Option("--peer", "h"), Positional("peer", "PEER", "h"))),
        CliCommand("mesh", "s", ANY_ROUTER, ("--peer",)),  # type: ignore[arg-type]
        CliCommand("mesh", "s", ANY_ROUTER, (Positional("Peer!", "PEER", "h"),)),
    ],
)
def test_a_command_that_is_none_is_refused(shelf: Shelf, command: CliCommand) -> None:
    shelf.hooks("odd", appliance_cli_commands=lambda: [command])
    host = shelf.host()
    assert not host.cli_commands()
    assert fact(host, "odd").stage == "register"


async def test_lifespans_carry_their_plugins_name(shelf: Shelf) -> None:
    seen = []

    @asynccontextmanager
    async def fine(node: object) -> Any:
        seen.append(node)
        yield
        seen.append("left")

    @asynccontextmanager
    async def broken(node: object) -> Any:
        raise RuntimeError("no license")
        yield

    shelf.hooks("none", appliance_lifespan=lambda node: None)
    shelf.hooks("fine", appliance_lifespan=fine)
    shelf.hooks("broken", appliance_lifespan=broken)
    shelf.hooks("wrong", appliance_lifespan=lambda node: 7)
    host = shelf.host()
    (one, first), (other, second) = host.lifespans(lambda plugin: f"node for {plugin}")
    assert (one, other) == ("fine", "broken")
    async with first:
        with pytest.raises(RuntimeError):
            await second.__aenter__()
    assert seen == ["node for fine", "left"]
    assert fact(host, "wrong").stage == "start"


def test_blame_at_run_time_and_its_end(shelf: Shelf) -> None:
    good(shelf)
    host = shelf.host()
    host.blame(host.owner("routing", "good") or "", "run", ValueError("hiccup"))
    assert (fact(host, "good").state, fact(host, "good").stage) == ("degraded", "run")
    for number in range(100):
        host.blame("good", "run", f"hiccup {number}")
    assert len(fact(host, "good").problem) < 200
    host.cleared("good", "run")
    assert fact(host, "good").state == "active"
