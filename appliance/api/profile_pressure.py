"""The part `limits.pressure` of a profile: from where on the node and its API server protect their host."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.api.profile_section import Section
from appliance.api.profile_values import Bytes, Count, Seconds

Percent = Annotated[int, Field(ge=0, le=100, strict=True)]


class Pressure(Section):
    """From where on the node takes less, because it or its host is short of something. At twice as short strangers get nothing,
    and the API server answers root of the host alone. On a small host memory, descriptors and disk count from a share of what
    there is. 0: never. See docs/management.md, "Under pressure"."""

    late: Seconds = Field(
        default="1s", validate_default=True, ge=0, le=60, description="The event loop of a process is so late with its work."
    )
    cpu: Percent = Field(
        default=90,
        description="Something waits for a processor for so many percent of the time (PSI): then half of `late` is enough.",
    )
    memory: Bytes = Field(
        default="64MiB",
        validate_default=True,
        ge=0,
        le=2**50,
        description="So much memory can still be had, of the host or within a limit of the service; at most a 16th of it.",
    )
    stalled: Percent = Field(default=20, description="Nothing gets on for so many percent of the time, for want of memory (PSI).")
    descriptors: Count = Field(
        default=32, ge=0, le=1_000_000, description="A process may open so many more; at most an 8th of them."
    )
    disk: Bytes = Field(
        default="16MiB",
        validate_default=True,
        ge=0,
        le=2**50,
        description="So much is free on the disk of what is kept; at most a 20th of it.",
    )
