"""What every mapping of a profile is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of a profile. Unknown keys are refused, and values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
