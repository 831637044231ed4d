"""What a profile needs of its plugins."""

from __future__ import annotations

import re
from typing import Any

import pytest

from appliance.api import STANDARD_PLUGINS
from appliance.api.profile import Profile, Section
from appliance.plugin_host import PluginHost, required
from appliance.worker import zstd

PEER = {"name": "hub", "identity": "llp1:" + "a" * 52, "allowed": ["10.0.0.0/8"]}


def profile(**sections: Any) -> Profile:
    return Profile.model_validate({"profile": 1, "network": {"addresses": ["10.8.0.1/24"]}, **sections})


def problems(wanted: Profile, *plugins: str) -> dict[str, str]:
    return {problem.path: f"{problem.message} ({problem.hint})" for problem in required(wanted, PluginHost.load(plugins))}


def test_a_default_profile_has_all_it_needs() -> None:
    assert not problems(profile(), *STANDARD_PLUGINS)


def test_a_missing_scheme_says_where_and_what_is_not_enabled() -> None:
    wanted = profile(server={"listen": ["quic://0.0.0.0:1"]}, peers=[{**PEER, "endpoints": ["udp://h:1", "quic://h:1"]}])
    found = problems(wanted, *(set(STANDARD_PLUGINS) - {"routing-static"}))
    assert set(found) == {"server.listen.0", "peers.0.endpoints.1", "routing.kind"}
    assert "transport scheme 'quic' comes from no enabled plugin" in found["server.listen.0"]
    assert re.search(r"installed and not enabled: .*\brouting-static\b", found["server.listen.0"])


def test_a_part_of_the_api_server_that_nobody_brings_is_named_where_it_stands() -> None:
    found = problems(profile(management={"store": {"shelf": {}}, "exports": {"pipe": {}}}), *STANDARD_PLUGINS)
    assert set(found) == {"management.store.shelf", "management.exports.pipe"}
    assert "comes from no enabled plugin" in found["management.exports.pipe"]


def test_a_discovery_kind_of_the_core_is_not_written_down() -> None:
    found = problems(profile(discovery={"dht": {}}), *STANDARD_PLUGINS)
    assert "runs by itself" in found["discovery.dht"]


def test_a_kind_that_needs_settings_is_not_used_without(monkeypatch: pytest.MonkeyPatch) -> None:
    class Needs(Section):
        level: int

    host = PluginHost.load(STANDARD_PLUGINS)
    monkeypatch.setitem(host.transports, "tcp", host.transports["tcp"]._replace(settings=lambda: Needs))  # type: ignore[arg-type]
    assert not required(profile(), host)
    listening = {"server": {"listen": ["udp://0.0.0.0:1", "tcp://0.0.0.0:1"]}}
    assert [problem.path for problem in required(profile(**listening), host)] == ["transports.tcp"]
    assert not required(profile(**listening, transports={"tcp": {"level": 1}}), host)


def test_a_transport_judges_what_stands_behind_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    def four_letters(text: str) -> None:
        if text == "hang":
            raise SystemExit(3)
        if len(text) != 4:
            raise ValueError("four letters, for example letters://abcd")

    host = PluginHost.load(STANDARD_PLUGINS)
    udp = host.transports["udp"]
    monkeypatch.setitem(host.transports, "letters", udp._replace(name="letters", authority=four_letters))  # type: ignore[arg-type]
    monkeypatch.setitem(host.transports, "quic", udp._replace(name="quic"))  # type: ignore[arg-type]
    endpoints = ["letters://abcd", "letters://abc", "letters://hang", "quic://h:1", "quic://h", "quic://[::1]:1", "udp://h:1"]
    wanted = profile(server={"listen": ["letters://wxyz"]}, peers=[{**PEER, "endpoints": endpoints}])
    found = {problem.path: problem.message for problem in required(wanted, host)}
    assert set(found) == {"peers.0.endpoints.1", "peers.0.endpoints.2", "peers.0.endpoints.4"}
    assert found["peers.0.endpoints.1"] == "'letters://abc': four letters, for example letters://abcd"
    assert "transport letters raised SystemExit" in found["peers.0.endpoints.2"]
    assert found["peers.0.endpoints.4"] == "'quic://h': host and port are both needed"


def test_a_misspelt_suite_gets_a_guess() -> None:
    assert (
        "did you mean 'aes-256-gcm'?"
        in problems(profile(crypto={"suites": ["aes-256-gmc"]}), *STANDARD_PLUGINS)["crypto.suites.0"]
    )


def test_compression_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = profile(peers=[PEER, {**PEER, "name": "far", "compression": "zstd"}])
    assert not problems(wanted, *STANDARD_PLUGINS)
    monkeypatch.setattr(zstd, "MODULE", "no_such_package.zstd")
    found = problems(wanted, *STANDARD_PLUGINS)
    assert set(found) == {"peers.1.compression"}
    assert "appliance-core[compression]" in found["peers.1.compression"]
    assert not problems(profile(peers=[PEER]), *STANDARD_PLUGINS)


def test_a_suite_that_protects_nothing_needs_a_laboratory() -> None:
    crypto = {"suites": ["null"]}
    assert set(problems(profile(crypto=crypto), *STANDARD_PLUGINS)) == {"crypto.suites.0"}
    assert not problems(profile(crypto={**crypto, "lab": True}), *STANDARD_PLUGINS)


def test_crypto_and_routing_fail_closed_when_their_plugin_fails() -> None:
    found = problems(profile(), "transport-ip", "no-such-crypto")
    assert set(found) == {"crypto.suites.0", "crypto.suites.1", "routing.kind"}
    assert "plugin no-such-crypto failed" in found["crypto.suites.0"]


def test_a_misspelt_monitor_is_a_problem() -> None:
    assert set(problems(profile(monitoring={"promethius": {}}), *STANDARD_PLUGINS)) == {"monitoring.promethius"}
    assert set(problems(profile(protocols={"gossip": {}}), *STANDARD_PLUGINS)) == {"protocols.gossip"}


def test_monitoring_and_discovery_fail_soft_when_a_plugin_failed() -> None:
    assert not problems(profile(monitoring={"fancy": {}}, discovery={"fancy": {}}), *STANDARD_PLUGINS, "fancy")
