"""Two real nodes that use a plugin, in a laboratory on this machine: what no suite of one half can show.

For each transport, suite and routing kind of a plugin a lab of its own; its discoverers, monitors and peer protocols run in
all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from appliance.api import ENTRY_POINT_GROUP
from appliance.errors import ExitCode
from appliance.plugin_host.checking import Failure
from appliance.plugin_host.plugins import PluginHost
from appliance.testing.recorder import PLACE

LAB_SECONDS = 120.0
"""For one lab; it takes five."""
PORT = 8443
TEST = "two nodes in a lab"


class Outcome(NamedTuple):
    """`said`: "ok", "failed", or why there was no lab."""

    said: str
    failures: list[Failure]


class Try(NamedTuple):
    """One lab: the part that it is about, whose that is, the scheme between the nodes, and what stands in their profiles."""

    name: str
    plugin: str
    scheme: str
    profile: Mapping[str, Any]


def try_in_labs(host: PluginHost, wishes: Mapping[str, Mapping[str, Any]], folder: Path, found_at: Path | None) -> Outcome:
    """Run the labs of a loaded plugin. `folder` is for files; `found_at` is where its modules are when it is not installed."""
    environ = _environment(host, folder, found_at)
    failures: list[Failure] = []
    for tried in _tries(host, wishes):
        path = folder / f"{tried.name.replace(' ', '-')}.yaml"
        path.write_text(json.dumps(_definition(host, tried)), encoding="utf-8")  # JSON is YAML
        command = [
            sys.executable,
            "-P",
            "-m",
            "appliance.cli",
            "lab",
            str(path),
            "--json",
        ]  # not isolated: it has a path of its own
        try:
            run = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=LAB_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            failures.append(Failure(tried.plugin, tried.name, TEST, f"did not end within {LAB_SECONDS:g} s", ""))
            continue
        if run.returncode == ExitCode.PERMISSION:
            return Outcome(f"not run: {_last(run.stderr)}", failures)
        failures += [_failure(host, tried, reason) for reason in _wrong(run, host.names)]
    return Outcome("failed" if failures else "ok", failures)


def _failure(host: PluginHost, tried: Try, reason: str) -> Failure:
    """Told of the plugin that the nodes blame, else of the one that the lab is about."""
    blamed = next((name for name in host.names if f"plugin {name}:" in reason), tried.plugin)
    place = PLACE.search(reason)
    return Failure(blamed, tried.name, TEST, reason, place[1] if place else "")


def _wrong(run: subprocess.CompletedProcess[str], plugins: Sequence[str]) -> Iterator[str]:
    try:
        document = json.loads(run.stdout)
    except ValueError:
        yield _last(run.stderr)
        return
    if document["problem"]:
        first, *log = document["problem"].splitlines()
        named = next((line for line in log if any(f"plugin {name}" in line for name in plugins)), "")
        yield f"{first} {named}".strip()
    for probe in document["probes"]:
        if not probe["ok"]:
            yield f"{probe['name']} from {probe['from']} to {probe['to']}: {probe['detail'] or 'failed'}"
    if document["left_behind"]:
        yield f"left behind: {', '.join(document['left_behind'])}"


def _last(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not line.startswith("hint")]
    return lines[-1] if lines else "no reason given"


def _tries(host: PluginHost, wishes: Mapping[str, Mapping[str, Any]]) -> Iterator[Try]:
    beside: dict[str, Any] = {
        "discovery": {name: _settings(wishes, name) for name in host.discovery},
        "monitoring": {name: _settings(wishes, name) for name in host.monitors},
        "protocols": {name: _settings(wishes, name) for name in host.protocols},
    }
    beside = {section: kinds for section, kinds in beside.items() if kinds}
    transports = {scheme: _settings(wishes, scheme) for scheme in host.transports}
    for scheme in host.transports:
        yield Try(f"transport {scheme}", host.owner("transport", scheme) or "", scheme, {"transports": transports, **beside})
    for name, suite in host.suites.items():
        if not suite.lab_only:
            yield Try(f"suite {name}", host.owner("suite", name) or "", "udp", {"crypto": {"suites": [name]}, **beside})
    for kind in host.routing:
        yield Try(
            f"routing {kind}",
            host.owner("routing", kind) or "",
            "udp",
            {"routing": {"kind": kind, kind: _settings(wishes, kind)}, **beside},
        )
    if not (host.transports or host.suites or host.routing):
        yield Try(
            ", ".join(f"{section} {name}" for section, kinds in beside.items() for name in kinds) or "its hooks",
            host.names[0],
            "udp",
            beside,
        )


def _settings(wishes: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    found = wishes.get(name, {}).get("settings", {})
    return found if isinstance(found, Mapping) else {}


def _definition(host: PluginHost, tried: Try) -> Mapping[str, Any]:
    from appliance.api.profile import Profile

    plugins = [*Profile.model_fields["plugins"].default, *host.names]
    profile = {"plugins": list(dict.fromkeys(plugins)), **tried.profile}
    return {
        "lab": 1,
        "name": "check",
        "links": [{"name": "wan", "hosts": ["left", "right"], "ipv4": "192.168.70.0/24", "ipv6": "fd70:1::/64"}],
        "hosts": {
            "left": {
                "addresses": ["10.70.0.1/24"],
                "peers": {"right": {"endpoints": [f"{tried.scheme}://right:{PORT}"]}},
                "profile": profile,
            },
            "right": {
                "addresses": ["10.70.0.2/24"],
                "listen": [f"{tried.scheme}://0.0.0.0:{PORT}"],
                "peers": {"left": {}},
                "profile": profile,
            },
        },
        "probes": [
            {"probe": "ping", "between": ["left", "right"]},
            {"probe": "transfer", "between": ["left", "right"], "size": "1MiB"},
            {"probe": "plugins", "between": ["left", "right"]},
        ],
    }


def _environment(host: PluginHost, folder: Path, found_at: Path | None) -> dict[str, str]:
    """For the nodes, which are processes of their own: a plugin that is not installed must be found by them, too."""
    environ = dict(os.environ)
    if found_at is None:
        return environ
    known = folder / "appliance_plugin_check-0.dist-info"
    known.mkdir()
    entries = "\n".join(f"{name} = {host.entry(name)}" for name in host.names)
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: appliance-plugin-check\nVersion: 0\n", encoding="utf-8")
    (known / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{entries}\n", encoding="utf-8")
    paths = [str(found_at), str(folder), *filter(None, [environ.get("PYTHONPATH")])]
    return environ | {"PYTHONPATH": os.pathsep.join(paths)}
