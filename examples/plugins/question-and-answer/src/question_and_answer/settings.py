"""What a profile says below `protocols.question-and-answer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from appliance.api.profile import Section

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Fact = Annotated[str, StringConstraints(max_length=4096)]


class Settings(Section):
    """Facts that this node knows, and questions that it has."""

    facts: Mapping[Name, Fact] = Field(default={}, description="What this node answers, by name.")
    questions: tuple[Name, ...] = Field(
        default=(), max_length=16, description="Names of facts that each peer is asked for when it connects."
    )
    notebook: str | None = Field(default=None, description="File for the answers, as JSON; absent: they are not kept.")
