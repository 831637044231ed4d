"""A document against a model: pydantic's findings become problems with places, in words for the admin."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TypeVar

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from appliance.profile import fields
from appliance.profile.document import Document, KeyPath, Spot, dotted
from appliance.profile.problems import LocatedProblem, located
from appliance.profile.wording import Words, misspelt, unquoted_word, wording

MAX_PROBLEMS = 200
"""More than anybody reads: it was the wrong file, and finding words for each of its lines would take seconds."""

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document, secrets: Collection[str] = ()) -> tuple[M | None, list[LocatedProblem]]:
    """The document as a `model`, or None and the reasons.

    `secrets` are dotted keys whose values must not be shown, neither in messages nor in source lines. Fields of pydantic's secret
    types need not be named.
    """
    judge = _Judge(model, document, secrets)
    try:
        made = model.model_validate(document.tree)
    except ValidationError as error:
        details = judge.telling(error.errors(include_url=False))[:MAX_PROBLEMS]
        return None, [*map(judge.problem, details), *judge.ambiguous_words(details)]
    return (made, []) if not (problems := judge.ambiguous_words([])) else (None, problems)


class _Judge:
    def __init__(self, model: type[BaseModel], document: Document, secrets: Collection[str]) -> None:
        self._model = model
        self._document = document
        self._secrets = frozenset(secrets)

    def telling(self, details: list[ErrorDetails]) -> list[ErrorDetails]:
        """The findings, without those that only follow from another: a key that is missing because it is misspelt, a list that is
        too short because one of its entries is bad."""
        meant = {
            (*detail["loc"][:-1], misspelt(self._model, detail["loc"]))
            for detail in details
            if detail["type"] == "extra_forbidden"
        }
        holders = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
        return [
            detail
            for detail in details
            if not (detail["type"] == "missing" and detail["loc"] in meant)
            and not (detail["type"] == "too_short" and detail["loc"] in holders)
        ]

    def problem(self, detail: ErrorDetails) -> LocatedProblem:
        loc = tuple(step for step in detail["loc"] if step != "[key]")
        at_key = len(loc) < len(detail["loc"]) or detail["type"] in {"extra_forbidden", "missing"}
        _, spot = self._document.nearest(loc)
        if spot is None:
            return LocatedProblem("profile", 0, 0, dotted(loc), detail["msg"])
        if self._is_secret(loc):
            words = Words(f"the value is not acceptable ({detail['type'].replace('_', ' ')})", "it is a secret and not shown")
        else:
            words = wording(self._model, loc, detail)
        return located(spot, loc, words.message, words.hint, at_key=at_key, secret=self._shows_secret(spot, at_key=at_key))

    def ambiguous_words(self, known: list[ErrorDetails]) -> list[LocatedProblem]:
        """Unquoted yes, no, on and off where text belongs: older YAML tools read true or false there."""
        seen = {detail["loc"] for detail in known}
        found = []
        for path, spot in self._document.spots.items():
            if not spot.plain or path in seen:
                continue
            value = self._document.at(path)
            if unquoted_word(value) and fields.type_at(self._model, path) is str:
                message = f"unquoted {value} is text here, but true or false to older YAML tools"
                found.append(located(spot, path, message, f'write "{value}"', secret=self._shows_secret(spot)))
        return found

    def _is_secret(self, path: KeyPath) -> bool:
        if fields.type_at(self._model, path) in {SecretStr, SecretBytes}:
            return True
        return any(dotted(path[:length]) in self._secrets for length in range(1, len(path) + 1))

    def _shows_secret(self, spot: Spot, *, at_key: bool = False) -> bool:
        """Does the source line that would be shown hold a secret, even one of another key?"""
        return (spot.source.name, spot.key_line if at_key else spot.line) in self._secret_lines

    @cached_property
    def _secret_lines(self) -> frozenset[tuple[str, int]]:
        secret = [spot for path, spot in self._document.spots.items() if self._is_secret(path)]
        return frozenset((spot.source.name, line) for spot in secret for line in (spot.line, spot.key_line))
