"""The enabled plugins of one process: loaded one by one, asked one by one, each failure told of its plugin and nobody else.

    host = PluginHost.load(enabled(profile_plugins))
    host.transports["udp"]; host.suites["aes-256-gcm"]; host.facts

What stops the node when it fails is decided by who asks: crypto, routing and transports are looked at by `required`, and a hook
whose answer decides (plan, identity, authorize) fails closed. Discovery and monitoring fail soft: a fact says so, traffic flows.
"""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.api.management import ApiRoute, CliCommand, Principal, Verdict
from appliance.api.values import Problem
from appliance.errors import PluginFault
from appliance.foundation.patience import limited
from appliance.plugin_host import versions
from appliance.plugin_host.added import check_command, check_route
from appliance.plugin_host.calling import LoadedPlugin, describe
from appliance.plugin_host.facts import PluginFact, Stage, State
from appliance.plugin_host.installed import Installed, groups_with, installed
from appliance.plugin_host.owners import Owners
from appliance.plugin_host.plan_hooks import PlanHooks
from appliance.plugin_host.registry import API_PARTS, FAMILIES, SOFT, ApiPartKind, Family, RefusedRegistration, Registry

if TYPE_CHECKING:
    from appliance.api.crypto import CryptoSuite
    from appliance.api.discovery import DiscoveryKind
    from appliance.api.kinds import Kind
    from appliance.api.monitoring import MonitorKind
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.api.planning import HostState
    from appliance.api.profile import Profile, ProfileSection
    from appliance.api.routing import RoutingKind
    from appliance.api.transport import TransportKind
    from appliance.profile.model import Kinds

MOST_PROBLEMS = 6
"""Problems of one plugin that its fact tells: one for each sort of thing that it may bring. What follows is usually the same."""

LOADING: frozenset[Stage] = frozenset({"find", "import", "register"})


class _Trouble(NamedTuple):
    stage: Stage
    problem: str
    hint: str


class _Judging(NamedTuple):
    """A kind as the profile's model wants it."""

    name: str
    settings: Callable[[], type[Any]] | None


class PluginHost:
    """Loaded plugins and what they registered. Made by `load`; never raises for what a plugin did at load."""

    def __init__(self, names: Iterable[str], available: Mapping[str, Installed]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._available = available
        self._plugins: dict[str, LoadedPlugin] = {}
        self._registry = Registry()
        self._trouble: dict[str, list[_Trouble]] = {}
        self.owners = Owners()
        self._seconds: float | None = None
        self._imported: dict[str, str] = {}
        """The version of each plugin that this process has imported, whether it is still wanted or not."""

    @classmethod
    def load(cls, names: Iterable[str], available: Mapping[str, Installed] | None = None) -> PluginHost:
        """Import the named plugins, in this order, and collect what they register. `available` are the installed ones (found in
        the environment's metadata when None). Never raises for a bad plugin: see `facts`."""
        host = cls(names, installed() if available is None else available)
        for name in host.names:
            host._load(name)
        return host

    # ---- another list of plugins ----

    def with_names(self, names: Iterable[str], available: Mapping[str, Installed] | None = None) -> PluginHost:
        """The host of another list of plugins: those that are loaded here as they are, others loaded now.

        Itself when nothing would be different. This one stays as it is, so that the other can be judged and thrown away."""
        names = tuple(dict.fromkeys(names))
        kept = [name for name in names if name in self._plugins]
        if names == self.names and len(kept) == len(names):
            return self
        found = installed() if available is None else available
        host = PluginHost(names, {**found, **{name: self._available[name] for name in kept}})
        host.owners.become(self.owners)
        for name in kept:  # first: what runs keeps its name
            host._plugins[name] = self._plugins[name]
            host._trouble[name] = list(self._trouble.get(name, ()))
            host._registry.adopt(name, self._registry)
        host._imported = dict(self._imported)
        for name in names:
            if name not in kept:
                host._load_later(name)
        host._plugins = {name: host._plugins[name] for name in names if name in host._plugins}
        if self._seconds is not None:
            host.hurry(self._seconds)
        return host

    def copy(self) -> PluginHost:
        """A host of the same plugins, which stays as it is when this one becomes another."""
        same = PluginHost(self.names, self._available)
        same.become(self)
        return same

    def moved(self, other: PluginHost) -> tuple[str, ...]:
        """What another plugin brings there than here, as "transport udp": it would be half the one's and half the other's."""
        mine, others = self._registry.owners, other._registry.owners
        return tuple(f"{noun} {name}" for (noun, name), owner in mine.items() if others.get((noun, name), owner) != owner)

    def become(self, other: PluginHost) -> None:
        """Be the host `other`, for all who have this one, or a mapping of it."""
        self.names, self._available, self._imported = other.names, other._available, other._imported
        self._plugins, self._trouble = dict(other._plugins), dict(other._trouble)
        self._registry.become(other._registry)
        self.owners.become(other.owners)

    # ---- what was registered ----

    @property
    def transports(self) -> Mapping[str, TransportKind]:
        """Transport kinds by scheme."""
        return self._registry.transports

    @property
    def suites(self) -> Mapping[str, CryptoSuite]:
        """Record protection suites by name."""
        return self._registry.suites

    @property
    def routing(self) -> Mapping[str, RoutingKind]:
        """Routing kinds by name."""
        return self._registry.routing

    @property
    def discovery(self) -> Mapping[str, DiscoveryKind]:
        """Discovery kinds by name."""
        return self._registry.discovery

    @property
    def monitors(self) -> Mapping[str, MonitorKind]:
        """Monitoring kinds by name."""
        return self._registry.monitors

    @property
    def protocols(self) -> Mapping[str, PeerProtocolKind]:
        """Peer protocols by name."""
        return self._registry.protocols

    @property
    def api_parts(self) -> Mapping[str, Mapping[str, ApiPartKind]]:
        """What may stand below each key of `management` that is for plugins (API_PARTS), by its name."""
        return {key: self._registry.shelf(noun) for key, noun in API_PARTS.items()}

    @property
    def sections(self) -> tuple[ProfileSection, ...]:
        """Profile sections, for `appliance.profile.load`."""
        return tuple(self._registry.sections.values())

    @property
    def kinds(self) -> Kinds:
        """All kinds with their settings, for `appliance.profile.load`."""
        from appliance.profile.model import Kinds

        return Kinds(
            transports=self._judging("transport", self.transports),
            routing=self._judging("routing", self.routing),
            discovery=self._judging("discovery", self.discovery),
            monitoring=self._judging("monitor", self.monitors),
            protocols=self._judging("protocol", self.protocols),
            **{key: self._judging(API_PARTS[key], kinds) for key, kinds in self.api_parts.items()},
        )

    def _judging(self, noun: str, kinds: Mapping[str, Kind]) -> tuple[_Judging, ...]:
        return tuple(
            _Judging(name, None if kind.settings is None else functools.partial(self._model_of, noun, kind))
            for name, kind in kinds.items()
        )

    def _model_of(self, noun: str, kind: Kind) -> Any:
        """The model of a kind's settings. Raises PluginFault for what is none, and whatever making it raises."""
        from appliance.profile.model import is_model

        made = kind.settings() if kind.settings else None
        if not is_model(made):
            plugin = self.owner(noun, kind.name) or kind.name
            wrong = f"settings of {noun} {kind.name} gave {made!r:.60}, wanted a pydantic model"
            raise PluginFault(plugin, wrong, hint="disable the plugin or report this to its author")
        return made

    @property
    def not_enabled(self) -> tuple[str, ...]:
        """Plugins that are installed and that nobody named."""
        return tuple(sorted(set(self._available) - set(self.names)))

    def owner(self, noun: str, name: str) -> str | None:
        """The plugin that registered `name` in a family ("transport", "suite", …: `PluginFact.provides` has these words)."""
        return self._registry.owners.get((noun, name))

    def section_of(self, plugin: str, profile: Profile) -> Any:
        """What `profile` says in the section of `plugin`, as an instance of the section's model; None when it has none."""
        name = self._registry.section_of(plugin)
        return None if name is None else profile.section(name)

    def entry(self, name: str) -> str:
        """What the entry point of an available plugin names."""
        return self._available[name].entry.value

    def namespaces(self) -> tuple[object, ...]:
        """What the entry points of the loaded plugins name, for checks of plugins."""
        return tuple(plugin.namespace for plugin in self._plugins.values())

    # ---- how they are ----

    @property
    def facts(self) -> tuple[PluginFact, ...]:
        """How each enabled plugin is now, in the order they were named."""
        return tuple(self._fact(name) for name in self.names)

    def report(self) -> list[dict[str, Any]]:
        """The facts as JSON-able mappings, for status."""
        return [fact.to_json() for fact in self.facts]

    @property
    def broken(self) -> tuple[PluginFact, ...]:
        """The facts of plugins that are not active."""
        return tuple(fact for fact in self.facts if fact.state != "active")

    @property
    def complete(self) -> bool:
        """Did every named plugin come, and is all that it registered taken?"""
        return not any(trouble.stage in LOADING for troubles in self._trouble.values() for trouble in troubles)

    def blame(self, plugin: str, stage: Stage, error: BaseException | str, hint: str = "") -> None:
        """Write a failure to the account of `plugin`: for whoever runs what a plugin registered (see `owner`)."""
        text = error if isinstance(error, str) else describe(error)
        trouble = _Trouble(stage, text, hint)
        known = self._trouble.setdefault(plugin, [])
        if trouble not in known and len(known) < MOST_PROBLEMS:
            known.append(trouble)

    def cleared(self, plugin: str, stage: Stage) -> None:
        """What `plugin` failed at works again."""
        self._trouble[plugin] = [trouble for trouble in self._trouble.get(plugin, ()) if trouble.stage != stage]

    # ---- hooks that are asked later ----

    def hurry(self, seconds: float) -> None:
        """From now on an event loop waits for hooks that are called in its thread. Each may take so long, and one that hung is
        not asked again."""
        self._seconds = seconds
        for plugin in self._plugins.values():
            plugin.seconds = seconds

    def check_profile(self, profile: Profile, host: HostState | None) -> tuple[Problem, ...]:
        """What the plugins find wrong with a valid profile. A plugin that fails at this is itself a problem, unless it only
        brings discovery or monitoring."""
        problems: list[Problem] = []
        for plugin in self._with("appliance_check_profile"):
            try:
                found = self._asked_about(plugin, "appliance_check_profile", profile, host=host)
                problems += self._of_type(plugin, "appliance_check_profile", found, Problem)
            except PluginFault as fault:
                self._write_down(fault, "check")
                if not self._is_soft(plugin.name):
                    problems.append(Problem("plugins", fault.message, fault.hint))
        return tuple(problems)

    @property
    def plan(self) -> PlanHooks:
        """What the plugins want of the host. One that is installed and does not load leaves what it had done as it is."""
        broken = [name for name in self.names if name in self._available and name not in self._plugins]
        return PlanHooks(self._plugins.values(), broken, self, lambda fault: self._write_down(fault, "plan"))

    def keeper_of_identities(self, reference: str) -> str | None:
        """The first plugin that keeps identities, when the reference is not the core's own."""
        if reference.startswith("file:"):
            return None
        return next((plugin.name for plugin in self._with("appliance_load_identity")), None)

    def load_identity(self, reference: str, profile: Profile) -> bytes | None:
        """The first plugin's answer, None when the reference is nobody's. `profile` is where it stands. Raises PluginFault."""
        for plugin in self._with("appliance_load_identity"):
            try:
                secret = plugin.call(
                    "appliance_load_identity", reference=reference, section=self.section_of(plugin.name, profile)
                )
                if secret is not None and not isinstance(secret, bytes):
                    raise PluginFault(plugin.name, f"appliance_load_identity returned {type(secret).__name__}, wanted bytes")
            except PluginFault as fault:
                self._write_down(fault, "identity")
                raise
            if secret is not None:
                return bytes(secret)
        return None

    def opinions(self, profile: Callable[[], Profile]) -> dict[str, Callable[[Principal, str, str], Verdict | None]]:
        """For each plugin with `appliance_authorize`, what asks it about (principal, permission, target). That has no limit in
        time, and raises whatever the plugin does: for a thread that may be left behind. `profile()` is the one in force."""
        return {
            plugin.name: functools.partial(_opinion, plugin, functools.partial(self._section_in, plugin.name, profile))
            for plugin in self._with("appliance_authorize")
        }

    def api_routes(self) -> dict[str, tuple[str, ApiRoute]]:
        """Management routes by name, each with its plugin; of two with one name the second is refused."""
        return self._collected("appliance_api_routes", ApiRoute, check_route)

    def cli_commands(self) -> dict[str, tuple[str, CliCommand]]:
        """Commands by name, each with its plugin; of two with one name the second is refused."""
        return self._collected("appliance_cli_commands", CliCommand, check_command)

    def lifespans(
        self, view: Callable[[str], Any], only: Collection[str] | None = None
    ) -> tuple[tuple[str, AbstractAsyncContextManager[object]], ...]:
        """What runs beside the node, with each one's plugin, in the order to enter it.

        `view` makes what a plugin sees of it; `only`: the plugins that are asked, all when None."""
        found = []
        for plugin in self._with("appliance_lifespan"):
            if only is not None and plugin.name not in only:
                continue
            try:
                context = plugin.call("appliance_lifespan", node=view(plugin.name))
                if context is None:
                    continue
                if not isinstance(context, AbstractAsyncContextManager):
                    wanted = "an async context manager or None"
                    raise PluginFault(plugin.name, f"appliance_lifespan returned {type(context).__name__}, wanted {wanted}")
            except PluginFault as fault:
                self._write_down(fault, "start")
            else:
                found.append((plugin.name, context))
        return tuple(found)

    # ---- loading ----

    def _load(self, name: str) -> None:
        found = self._available.get(name)
        if found is None and (other := versions.of_another_api(groups_with(name))) is not None:
            self.blame(name, "find", *other)
            return
        if found is None:
            near = difflib.get_close_matches(name, self.not_enabled, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(self._available)) or 'none'}"
            self.blame(
                name, "find", "no installed distribution offers it", f"install it into the appliance's environment; {meant}"
            )
            return
        if found.rivals:
            both = ", ".join((found.distribution, *found.rivals))
            self.blame(name, "find", f"several distributions offer it: {both}", "uninstall all but one")
            return
        if (unfit := versions.refusal(found.entry.value, found.distribution)) is not None:
            self.blame(name, "find", *unfit)
            return
        try:
            namespace = limited(found.load)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
            self.blame(name, "import", describe(error), f"reinstall {found.distribution}, or take {name} out of plugins")
            return
        try:
            plugin = LoadedPlugin(name, namespace)
        except PluginFault as fault:
            self._write_down(fault, "register")
            return
        self._plugins[name] = plugin
        self._imported[name] = found.version
        self.owners.add(name, found.entry.module)
        for oddity in plugin.oddities:
            self.blame(name, "register", oddity, "see docs/plugins.md for the hooks there are")
        for family in FAMILIES:
            self._register(plugin, family)

    def _load_later(self, name: str) -> None:
        """Load it in a process that has run for a while, and may have tried before."""
        found, before = self._available.get(name), self._imported.get(name)
        if found is not None and before is not None and before != found.version:
            self.blame(name, "import", f"its version {before} is in this process already", "restart the node to have the other")
            return
        if found is not None and before is None:  # what an import that failed has left is as old as that
            package = found.entry.module.partition(".")[0]
            for module in [module for module in sys.modules if module == package or module.startswith(f"{package}.")]:
                if not any(self.owners.of_module(module) == plugin for plugin in self._plugins):
                    del sys.modules[module]
        self._load(name)

    def _register(self, plugin: LoadedPlugin, family: Family) -> None:
        try:
            items = plugin.collect(family.hook)
        except PluginFault as fault:
            self._write_down(fault, "register")
            return
        for item in items:
            try:
                limited(lambda item=item: self._registry.add(plugin.name, family, item))  # type: ignore[misc]
            except RefusedRegistration as refused:
                self.blame(plugin.name, "register", str(refused), "disable one of the two" if "already" in str(refused) else "")
            except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
                self.blame(plugin.name, "register", f"{family.hook}: looking at its {family.noun} {describe(error)}")

    # ---- helpers ----

    def _asked_about(self, plugin: LoadedPlugin, hook: str, profile: Profile, **arguments: object) -> list[Any]:
        section = self.section_of(plugin.name, profile)
        return plugin.collect(hook, profile=profile, section=section, **arguments)

    def _section_in(self, plugin: str, profile: Callable[[], Profile]) -> Any:
        return self.section_of(plugin, profile())

    def _with(self, hook: str) -> Iterator[LoadedPlugin]:
        return (plugin for plugin in self._plugins.values() if plugin.implements(hook))

    def _collected(self, hook: str, kind: type[Any], check: Callable[[Any], None]) -> dict[str, tuple[str, Any]]:
        found: dict[str, tuple[str, Any]] = {}
        for plugin in self._with(hook):
            try:
                items = self._of_type(plugin, hook, plugin.collect(hook), kind)
            except PluginFault as fault:
                self._write_down(fault, "register")
                continue
            for item in items:
                try:
                    limited(functools.partial(check, item))
                except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
                    reason = str(error) if isinstance(error, RefusedRegistration) else describe(error)
                    self.blame(plugin.name, "register", f"{hook}: {reason}")
                    continue
                if item.name in found:
                    owner = found[item.name][0]
                    self.blame(plugin.name, "register", f"{item.name!r} is already registered by plugin {owner}", "disable one")
                else:
                    found[item.name] = plugin.name, item
        return found

    @staticmethod
    def _of_type(plugin: LoadedPlugin, hook: str, items: list[Any], kind: type[Any]) -> list[Any]:
        wrong = next((item for item in items if not isinstance(item, kind)), None)
        if wrong is not None:
            raise PluginFault(plugin.name, f"{hook} gave a {type(wrong).__name__}, wanted {kind.__name__}")
        return items

    def _write_down(self, fault: PluginFault, stage: Stage) -> None:
        self.blame(fault.plugin, stage, fault.message.removeprefix(f"plugin {fault.plugin}: "), fault.hint)

    def _is_soft(self, name: str) -> bool:
        nouns = {entry.split(" ", 1)[0] for entry in self._registry.provided_by(name)}
        return bool(nouns) and nouns <= SOFT

    def _fact(self, name: str) -> PluginFact:
        found = self._available.get(name)
        version, distribution = (found.version, found.distribution) if found else ("", "")
        provides = self._registry.provided_by(name)
        troubles = self._trouble.get(name)
        if not troubles:
            return PluginFact(name, version, distribution, "active", provides)
        state: State = "degraded" if provides else "failed"
        problem = "; ".join(trouble.problem for trouble in troubles)
        return PluginFact(name, version, distribution, state, provides, troubles[0].stage, problem, troubles[0].hint)


def _opinion(
    plugin: LoadedPlugin, section: Callable[[], Any], principal: Principal, permission: str, target: str
) -> Verdict | None:
    verdict = plugin.ask("appliance_authorize", principal=principal, permission=permission, target=target, section=section())
    if verdict is None or isinstance(verdict, Verdict):
        return verdict
    raise TypeError(f"it gave a {type(verdict).__name__}, wanted Verdict or None")
