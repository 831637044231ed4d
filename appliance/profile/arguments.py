"""The arguments of an operation against their model, in the same words as a profile's keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from appliance.api.values import Problem
from appliance.profile.document import dotted
from appliance.profile.wording import wording

MOST_PROBLEMS = 20
"""Nobody reads more of one question's."""


def judged(model: type[BaseModel], arguments: Mapping[str, Any]) -> tuple[Any, tuple[Problem, ...]]:
    """An instance of `model` and no problems, or None and what is wrong with which argument. Raises what the model's own code
    does."""
    try:
        return model.model_validate(arguments), ()
    except ValidationError as error:
        details = error.errors(include_url=False)[:MOST_PROBLEMS]
        return None, tuple(Problem(dotted(detail["loc"]), *wording(model, detail["loc"], detail)) for detail in details)
