"""What a profile needs of its plugins, as problems with key paths. Transports, suites and routing must be there; a discovery or
monitoring kind may lack when a plugin failed, since the plugin's fact tells of it and traffic flows without."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from appliance.api.kinds import Kind, settings_of
from appliance.api.transport import TransportKind
from appliance.api.values import RELAY, Endpoint, Problem
from appliance.foundation.patience import limited
from appliance.plugin_host.calling import describe
from appliance.plugin_host.registry import CORE_DISCOVERY, parts_of

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.plugin_host.plugins import PluginHost

NO_ZSTD = (
    "install the package backports.zstd beside the appliance (pip install 'appliance-core[compression]'), or take the key out"
)


def required(profile: Profile, host: PluginHost) -> tuple[Problem, ...]:
    """Everything the profile names that no enabled plugin brings. The node does not start while there is any."""
    return tuple(_required(profile, host))


def _required(profile: Profile, host: PluginHost) -> Iterator[Problem]:
    for path, endpoint in _endpoints(profile):
        kind = host.transports.get(endpoint.scheme)
        if kind is None:
            yield _missing(path, "transport scheme", endpoint.scheme, host.transports, host)
        elif (wrong := _authority(kind, endpoint)) is not None:
            yield Problem(path, *wrong)
    for index, name in enumerate(profile.crypto.suites):
        suite = host.suites.get(name)
        if suite is None:
            yield _missing(f"crypto.suites.{index}", "suite", name, host.suites, host)
        elif suite.lab_only and not profile.crypto.lab:
            yield Problem(
                f"crypto.suites.{index}", f"suite {name!r} protects nothing", "take it out, or set crypto.lab in a laboratory"
            )
    if profile.routing.kind not in host.routing:
        yield _missing("routing.kind", "routing kind", profile.routing.kind, host.routing, host)
    yield from _unset(profile, host)
    yield from _libraries(profile)
    if host.complete:
        yield from _named(profile, host)


def _named(profile: Profile, host: PluginHost) -> Iterator[Problem]:
    """Kinds that the profile names as keys of a section."""
    for section, named, known in (
        ("discovery", profile.discovery, host.discovery),
        ("monitoring", profile.monitoring, host.monitors),
        ("protocols", profile.protocols, host.protocols),
        *_of_the_api_server(profile, host),
    ):
        for name in named:
            if section == "discovery" and name in CORE_DISCOVERY:
                yield Problem(
                    f"discovery.{name}", f"{name} runs by itself in a network of members", "take it out; its switch is in mesh"
                )
            elif name not in known:
                yield _missing(f"{section}.{name}", f"{section} kind", name, known, host)


def _of_the_api_server(profile: Profile, host: PluginHost) -> Iterator[tuple[str, Collection[str], Collection[str]]]:
    if profile.management is not None:
        for key, named in parts_of(profile.management).items():
            yield f"management.{key}", named, host.api_parts[key]


def _authority(kind: TransportKind, endpoint: Endpoint) -> tuple[str, str] | None:
    """What is wrong with the part behind `://`, and a hint."""
    if kind.authority is None:
        example = f"for example {kind.name}://198.51.100.7:8443"
        return None if endpoint.is_host_and_port else (f"{str(endpoint)!r}: host and port are both needed", example)
    try:
        limited(lambda: kind.authority and kind.authority(str(endpoint).partition("://")[2]))
    except ValueError as error:
        return f"{str(endpoint)!r}: {error}", ""
    except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
        return f"transport {kind.name} {describe(error)}", "disable the plugin or report this to its author"
    return None


def _unset(profile: Profile, host: PluginHost) -> Iterator[Problem]:
    """Kinds that are used and need settings of which the profile has none."""
    used: list[tuple[str, Kind | None, Mapping[str, Any]]] = [
        (f"transports.{scheme}", host.transports.get(scheme), profile.transports.get(scheme, {}))
        for scheme in dict.fromkeys(endpoint.scheme for _, endpoint in _endpoints(profile))
    ]
    routing = profile.routing.kind
    used.append((f"routing.{routing}", host.routing.get(routing), profile.routing.settings_of(routing)))
    for path, kind, written in used:
        if kind is None or written:  # what was written is judged with the profile
            continue
        try:
            settings_of(kind, written)
        except ValueError:
            yield Problem(path, f"{kind.name} cannot be used without settings", f"write the keys it needs below {path}")


def _libraries(profile: Profile) -> Iterator[Problem]:
    wanting = [number for number, peer in enumerate(profile.peers) if peer.compression == "zstd"]
    if not wanting:
        return
    from appliance.worker import zstd

    if not zstd.installed():
        for number in wanting:
            yield Problem(f"peers.{number}.compression", "the library for zstd is not installed", NO_ZSTD)


def _endpoints(profile: Profile) -> Iterator[tuple[str, Endpoint]]:
    """All that plugins are needed for."""
    for index, endpoint in enumerate(profile.server.listen):
        yield f"server.listen.{index}", endpoint
    for number, peer in enumerate(profile.peers):
        for index, endpoint in enumerate(peer.endpoints):
            if endpoint.scheme != RELAY:
                yield f"peers.{number}.endpoints.{index}", endpoint


def _missing(path: str, noun: str, name: str, known: Collection[str], host: PluginHost) -> Problem:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else _hint(known, host)
    return Problem(path, f"{noun} {name!r} comes from no enabled plugin", hint)


def _hint(known: Collection[str], host: PluginHost) -> str:
    parts = [f"there are: {', '.join(sorted(known)) or 'none'}"]
    parts += [f"plugin {fact.name} failed: {fact.problem}" for fact in host.broken]
    if host.not_enabled:
        parts.append(f"installed and not enabled: {', '.join(host.not_enabled)}")
    return "; ".join(parts)
