from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, SecretStr

from appliance.profile.document import Source, lines_of
from appliance.profile.problems import LocatedProblem, ProfileInvalid
from appliance.profile.validation import validate
from appliance.profile.yaml_reader import read_yaml


class Account(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: str
    pin: SecretStr = SecretStr("")
    key: str = ""


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    account: Account
    names: tuple[str, ...] = ()
    table: Mapping[str, int] = {}


def problems(text: str, *secrets: str) -> tuple[LocatedProblem, ...]:
    document, wrong = read_yaml(text, Source("s.yaml", lines=lines_of(text)))
    assert document is not None
    assert not wrong
    made, found = validate(Settings, document, secrets)
    assert (made is None) == bool(found)
    return tuple(found)


def test_a_sound_document_becomes_the_model() -> None:
    assert problems("account: {user: u}") == ()


def test_a_misspelt_key_is_told_once() -> None:
    found = problems("acount: {user: u}\nnames: [a]")
    assert [(problem.path, problem.line) for problem in found] == [("acount", 1)]


def test_a_missing_key_stands_at_what_lacks_it() -> None:
    (found,) = problems("names: []\naccount: {key: k}")
    assert (found.path, found.line, found.col, found.width) == ("account.user", 2, 1, 7)


def test_a_key_of_a_mapping_is_marked_itself() -> None:
    (found,) = problems("account: {user: u}\ntable: {a: 1, b: x}")
    assert (found.path, found.line, found.col) == ("table.b", 2, 18)


def test_secrets_are_neither_quoted_nor_shown() -> None:
    text = "account: {user: [u], pin: 123456, key: [hunter2]}"
    rendered = ProfileInvalid(problems(text, "account.key")).text()
    assert rendered.count("\n") > 2
    for secret in ("123456", "hunter2"):
        assert secret not in rendered
    assert "it is a secret and not shown" in rendered
    assert "account.user: expected text, found a list" in rendered


def test_a_secret_model_field_needs_no_naming() -> None:
    (found,) = problems("account:\n  user: u\n  pin: [987]\n")
    assert "987" not in str(found)
    assert found.line == 3


def test_words_of_old_yaml_only_matter_unquoted_and_as_text() -> None:
    found = problems("account: {user: 'no', key: off}\nnames: [yes, maybe]\n")
    assert [problem.path for problem in found] == ["account.key", "names.0"]
