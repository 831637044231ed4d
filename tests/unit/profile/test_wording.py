"""What the admin reads for each kind of mistake in one value."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import BaseModel, ValidationError

from appliance.api.profile_values import SecretFile
from appliance.profile.problems import LocatedProblem
from appliance.profile.wording import did_you_mean, shown, wording


@pytest.mark.parametrize(
    ("line", "path", "told"),
    [
        ("nme: x", "nme", "unknown key, did you mean 'name'?"),
        ("mtu: 1", "mtu", "unknown key | did you mean network.mtu?"),
        ("zzz: 1", "zzz", "unknown key | known here: profile, name"),
        ("limits: {handshakes-per-second: 1}", "limits.handshakes-per-second", "did you mean 'handshakes_per_second'?"),
        ("limits: {sessions: '5'}", "limits.sessions", "expected a whole number, found '5' | remove the quotes"),
        ("limits: {sessions: true}", "limits.sessions", "expected a whole number, found true | true and false are no numbers"),
        ("limits: {sessions: 1.5}", "limits.sessions", "expected a whole number, found 1.5"),
        ("limits: {sessions: 0}", "limits.sessions", "must be at least 1, found 0"),
        ("limits: {idle: [1]}", "limits.idle", "expected a number, found a list"),
        ("limits: {idle: 10m}", "limits.idle", "did you mean 'min'?"),
        ("limits: {idle: 22:22}", "limits.idle", "'22:22' is no duration"),
        ("limits: {idle: }", "limits.idle", "there is no value here | give it one, or remove the key"),
        ("limits:", "limits", "there is no value here | write {} for the defaults, or remove the key"),
        ("monitoring: {health: }", "monitoring.health", "write {} for the defaults"),
        ("peers:", "peers", "there is no value here | write [] for none, or remove the key"),
        ("limits: 5", "limits", "expected a mapping of keys, found 5 | write the keys below it"),
        ("limits: []", "limits", "expected a mapping of keys, found a list"),
        ("name: 5", "name", 'expected text, found 5 | put it in quotes: "5"'),
        ("name: no", "name", 'unquoted no is text here, but true or false to older YAML tools | write "no"'),
        ("name: a/b", "name", "'a/b' is no name | letters, digits"),
        (f"name: {'a' * 64}", "name", "at most 63 characters here"),
        (
            "crypto: {lab: on}",
            "crypto.lab",
            "expected true or false, found 'on' | YAML 1.2 and TOML know only true and false: write true",
        ),
        ("crypto: {lab: []}", "crypto.lab", "expected true or false, found a list"),
        ("crypto: {lab: 0}", "crypto.lab", "write false"),
        ("crypto: {pq: false}", "crypto.pq", 'expected required, prefer or off, found false | write off; in TOML "off"'),
        ("crypto: {pq: require}", "crypto.pq", "did you mean 'required'?"),
        ("crypto: {suites: aes-256-gcm}", "crypto.suites", "expected a list, found 'aes-256-gcm' | put it in brackets"),
        ("crypto: {suites: [null]}", "crypto.suites.0", 'for the word null write "null"'),
        ("crypto: {suites: []}", "crypto.suites", "at least 1 value here"),
        ("plugins: {a: b}", "plugins", "expected a list, found a mapping"),
        ("monitoring: {health: 5}", "monitoring.health", "expected a mapping of keys, found 5"),
        ("monitoring: {-x: {}}", "monitoring.-x", "'-x' is no name"),
        ("server: {listen: [udp:1]}", "server.listen.0", "is no endpoint"),
        ("server: {identity: /k}", "server.identity", "for example file:/k"),
        ("peers: [{name: a}]", "peers.0.identity", "this key is missing | The peer's public identity"),
    ],
)
def test_a_mistake_is_told(problems: Callable[..., list[LocatedProblem]], minimal: str, line: str, path: str, told: str) -> None:
    found = next(problem for problem in problems(minimal + line) if problem.path == path)
    assert told in f"{found.message} | {found.hint}"
    assert found.line == 3


def test_the_first_key_of_all(problems: Callable[..., list[LocatedProblem]]) -> None:
    found = problems("network: {addresses: [10.8.0.1/24]}\n")
    assert [(problem.path, problem.hint) for problem in found] == [("profile", "the first line of a profile is `profile: 1`")]


def test_toml_hints(problems: Callable[..., list[LocatedProblem]]) -> None:
    text = 'profile = 1\n[network]\naddresses = ["10.8.0.1/24"]\n[network.sysctls]\nnet.ipv4.ip_forward = 1\n'
    found = problems(text, name="node.toml")
    assert any("in TOML such a key is quoted" in problem.hint for problem in found)


@pytest.mark.parametrize(("word", "meant"), [("adresses", "addresses"), ("MTU", "mtu"), ("clamp-mss", "clamp_mss"), ("xyz", "")])
def test_did_you_mean(word: str, meant: str) -> None:
    assert did_you_mean(word, ["addresses", "mtu", "clamp_mss"]) == meant


def test_values_are_shown_short() -> None:
    assert shown("x" * 100) == repr("x" * 40 + "…")
    assert shown({}) == "a mapping"
    assert len(shown(10**100)) == 40


def test_a_secret_that_stands_where_its_file_should_be_named_is_not_repeated() -> None:
    class Login(BaseModel):
        password: SecretFile

    with pytest.raises(ValidationError) as raised:
        Login.model_validate({"password": "hunter2"})
    [error] = raised.value.errors()
    words = wording(Login, ("password",), error)
    assert "hunter2" not in " ".join(words)
    assert "file:/PATH" in words.hint
