"""Sections and kinds of plugins, as a stranger's plugin would register them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from appliance.api.profile import ProfileSection
from appliance.api.profile_values import Seconds
from appliance.profile import Kinds, ProfileInvalid, json_schema, load


class Mail(BaseModel):
    """Who is told by mail."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    host: str
    every: Seconds = 60.0
    token: str = Field(default="", description="Password of the mail account.")


class HealthSettings(BaseModel):
    """Where health is shown."""

    model_config = ConfigDict(extra="forbid")
    listen: str = "127.0.0.1:9465"


class BootstrapSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    refresh: Seconds = 60.0


class Kind(NamedTuple):
    name: str
    settings: Callable[[], type[Any]] | None


MAIL = ProfileSection("mail", lambda: Mail, secret_fields=frozenset({"token"}))
KINDS = Kinds(
    transports=[Kind("udp", None), Kind("wss", lambda: HealthSettings)],
    routing=[Kind("static", None), Kind("fast", lambda: HealthSettings)],
    discovery=[Kind("bootstrap", lambda: BootstrapSettings)],
    monitoring=[Kind("health", lambda: HealthSettings)],
)

Write = Callable[..., Path]


def test_a_section_is_a_value_of_the_profile(write: Write, minimal: str) -> None:
    loaded = load([write(minimal + "mail: {host: h, every: 5min, token: s3}\n")], environ={}, sections=[MAIL])
    assert loaded.profile.section("mail") == Mail(host="h", every=300.0, token="s3")
    shown = {setting.path: setting.value for setting in loaded.settings}
    assert shown["mail.host"] == "h"
    assert "s3" not in str(shown["mail.token"])


def test_an_absent_section_is_none(write: Write, minimal: str) -> None:
    assert load([write(minimal)], environ={}, sections=[MAIL]).profile.section("mail") is None
    assert load([write(minimal)], environ={}).profile.section("network") is None


def test_a_section_that_nobody_owns_is_an_unknown_key(write: Write, minimal: str) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        load([write(minimal + "mail: {host: h}\n")], environ={})
    assert caught.value.problems[0].path == "mail"


def test_a_secret_of_the_environment_stays_there(write: Write, minimal: str) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        load([write(minimal)], environ={"APPLIANCE_MAIL__TOKEN": "[hunter2]"}, sections=[MAIL])
    rendered = caught.value.text()
    assert "mail.token" in rendered
    assert "hunter2" not in rendered


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    password: SecretStr = SecretStr("")


class Guarded(BaseModel):
    model_config = ConfigDict(extra="forbid")
    token: SecretStr = SecretStr("")
    port: int = 1
    inner: Inner = Inner()


def test_secrets_in_the_settings_of_kinds_are_not_shown(write: Write, minimal: str) -> None:
    kinds = Kinds(monitoring=[Kind("page", lambda: Guarded)])
    text = minimal + "monitoring: {page: {token: s3cret, port: 7, inner: {password: s4cret}}}\n"
    loaded = load([write(text)], environ={}, kinds=kinds)
    assert loaded.profile.monitoring["page"]["token"] == "s3cret", "who opens the kind makes its settings of this"
    shown = {setting.path: str(setting.value) for setting in loaded.settings}
    assert shown["monitoring.page.port"] == "7"
    assert not any("cret" in value for value in shown.values())
    with pytest.raises(ProfileInvalid) as caught:
        load([write(minimal + "monitoring: {page: {token: [s3cret], port: no}}\n")], environ={}, kinds=kinds)
    assert "s3cret" not in caught.value.text()


def test_kinds_are_judged_when_they_are_known(write: Write, minimal: str) -> None:
    text = minimal + "monitoring: {healht: {}, health: {listn: x}}\ndiscovery: {bootstrap: {refresh: 60s}, dht: {}}\n"
    load([write(text)], environ={})
    with pytest.raises(ProfileInvalid) as caught:
        load([write(text)], environ={}, kinds=KINDS)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        ("monitoring.healht", "unknown key, did you mean 'health'?"),
        ("monitoring.health.listn", "unknown key, did you mean 'listen'?"),
        ("discovery.dht", "unknown key"),
    ]


def test_settings_of_transports_and_of_the_routing_kind_are_judged_too(write: Write, minimal: str) -> None:
    text = minimal + "transports: {udp: {speed: 1}, wss: {listn: x}}\nrouting: {knid: static, fast: {listn: x}, fats: {}}\n"
    with pytest.raises(ProfileInvalid) as caught:
        load([write(text)], environ={}, kinds=KINDS)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        ("transports.udp.speed", "unknown key"),
        ("transports.wss.listn", "unknown key, did you mean 'listen'?"),
        ("routing.knid", "unknown key, did you mean 'kind'?"),
        ("routing.fast.listn", "unknown key, did you mean 'listen'?"),
        ("routing.fats", "unknown key, did you mean 'fast'?"),
    ]


def test_settings_of_a_routing_kind_stay_while_another_one_runs(write: Write, minimal: str) -> None:
    text = minimal + "routing: {kind: static, fast: {listen: here}}\n"
    profile = load([write(text)], environ={}, kinds=KINDS).profile
    assert profile.routing.settings_of("fast") == {"listen": "here"}
    assert profile.routing.settings_of("static") == {}


def test_judged_kinds_stay_plain_mappings(write: Write, minimal: str) -> None:
    loaded = load([write(minimal + "monitoring: {health: {}}\n")], environ={}, sections=[MAIL], kinds=KINDS)
    assert loaded.profile.monitoring == {"health": {}}
    assert loaded.profile.discovery == {}


def test_a_judged_kind_may_bring_peers_where_the_profile_says_so(write: Write, minimal: str) -> None:
    text = minimal + "discovery: {bootstrap: {}}\npeers_from: {bootstrap: {allowed: [10.9.0.0/16]}}\n"
    assert set(load([write(text)], environ={}, kinds=KINDS).profile.peers_from) == {"bootstrap"}


def test_the_schema_knows_sections_and_kinds() -> None:
    schema = json_schema([MAIL], KINDS)
    assert schema["$defs"]["Mail"]["description"] == "Who is told by mail."
    assert set(schema["$defs"]["Monitoring"]["properties"]) == {"health"}
    assert schema["properties"]["mail"]["description"] == "Who is told by mail."


def test_parts_of_the_api_server_are_judged_below_management(write: Write, minimal: str) -> None:
    kinds = Kinds(store=[Kind("shelf", lambda: Mail), Kind("box", None)], exports=[Kind("pipe", lambda: HealthSettings)])
    text = minimal + "management:\n  store: {shelf: {host: h}}\n  exports: {pipe: {listen: x}}\n"
    loaded = load([write(text)], environ={}, kinds=kinds)
    assert loaded.profile.management is not None
    assert loaded.profile.management.store == {"shelf": {"host": "h"}}
    for wrong, said in (
        ("store: {shelf: {host: h}, box: {}}", "only one"),
        ("store: {shelf: {hosts: h}}", "hosts"),
        ("exports: {pipes: {}}", "pipes"),
    ):
        with pytest.raises(ProfileInvalid, match=said):
            load([write(f"{minimal}management:\n  {wrong}\n")], environ={}, kinds=kinds)
