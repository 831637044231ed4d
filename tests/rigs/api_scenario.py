"""Scenarios of the API as YAML: who asks what, and what has to come back.

scenario: a sentence                      what it shows
steps:
  - as: alice                             a user with that name (password: PASSWORD), root of the host, or nobody
    ask: POST /api/v1/templates/execute   verb and path
    headers: {Idempotency-Key: one}
    body: {template: health-check}
    expect:
      status: 202
      code: KeyReused                     of a problem
      body: {state: queued}               members that the answer has, among others; of lists all items, in order
      events: [state, step]               kinds of a stream, to its end
    keep: {job: id}                       a name for a member of the answer: ${job} from then on, also ${a.b}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, Field

from tests.rigs.whole_api import PASSWORD, TOKEN

_NAMED: Final = re.compile(r"\$\{([a-z_.]+)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Strict):
    """What has to come back."""

    status: int = 200
    code: str = ""
    body: Mapping[str, Any] = {}
    events: Sequence[str] | None = None


class Step(_Strict):
    """One request."""

    who: str = Field(alias="as")
    ask: str = Field(pattern=r"^(GET|POST|PUT|PATCH|DELETE) /\S*$")
    headers: Mapping[str, str] = {}
    body: Mapping[str, Any] | None = None
    expect: Expected = Expected()
    keep: Mapping[str, str] = {}


class Scenario(_Strict):
    """One of them."""

    scenario: str
    steps: Sequence[Step] = Field(min_length=2)


def read(path: Path) -> Scenario:
    """From a file."""
    return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


class Player:
    """Plays scenarios at one API server."""

    def __init__(self, base: str) -> None:
        self._client = httpx.Client(base_url=base, timeout=60, trust_env=False)
        self._tokens = {"root": TOKEN}

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def play(self, scenario: Scenario) -> None:
        """All steps. Raises AssertionError with the step that went otherwise."""
        known: dict[str, Any] = {"password": PASSWORD}
        for number, step in enumerate(scenario.steps, 1):
            answer = self._asked(step, known)
            place = f"{scenario.scenario}, step {number}, {step.ask}: {answer.status_code} {answer.text[:1000]}"
            said = _judged(answer, step.expect, known, place)
            known |= {name: _member(said, where) for name, where in step.keep.items()}

    def _asked(self, step: Step, known: Mapping[str, Any]) -> httpx.Response:
        verb, path = step.ask.split(" ", 1)
        headers = {**_filled(step.headers, known), **self._who(_filled(step.who, known))}
        return self._client.request(verb, _filled(path, known), headers=headers, json=_filled(step.body, known))

    def _who(self, name: str) -> dict[str, str]:
        """A user who was not there before logs in; what looks like a token is one."""
        if name == "nobody":
            return {}
        if name not in self._tokens and "." not in name and not name.startswith("apl_"):
            answer = self._client.post("/api/v1/auth/login", json={"name": name, "password": PASSWORD})
            assert answer.is_success, answer.text
            self._tokens[name] = answer.json()["access_token"]
        return {"authorization": f"Bearer {self._tokens.get(name, name)}"}


def _judged(answer: httpx.Response, expected: Expected, known: Mapping[str, Any], place: str) -> Any:
    assert answer.status_code == expected.status, place
    if expected.events is not None:
        assert re.findall(r"^event: (.*)$", answer.text, re.MULTILINE) == list(expected.events), place
        return {}
    said = answer.json() if answer.content else {}
    if expected.code:
        assert said["code"] == expected.code, place
        assert said["hint"], place
    _has(said, _filled(expected.body, known), place)
    return said


def _has(said: Any, wanted: Any, place: str) -> None:
    if isinstance(wanted, Mapping):
        assert isinstance(said, Mapping), place
        for key, value in wanted.items():
            assert key in said, f"{key} is missing: {place}"
            _has(said[key], value, place)
    elif isinstance(wanted, list):
        assert isinstance(said, list), place
        assert len(said) == len(wanted), place
        for one, other in zip(said, wanted, strict=True):
            _has(one, other, place)
    else:
        assert said == wanted, f"{said!r} is not {wanted!r}: {place}"


def _member(said: Any, where: str) -> Any:
    for part in where.split("."):
        said = said[int(part)] if part.isdigit() else said[part]
    return said


def _filled(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        whole = _NAMED.fullmatch(value)
        return _member(known, whole[1]) if whole else _NAMED.sub(lambda found: str(_member(known, found[1])), value)
    if isinstance(value, Mapping):
        return {key: _filled(each, known) for key, each in value.items()}
    return [_filled(each, known) for each in value] if isinstance(value, list) else value
