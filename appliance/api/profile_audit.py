"""The section `audit` of a profile."""

from __future__ import annotations

from pydantic import Field

from appliance.api.profile_section import Section
from appliance.api.profile_values import Bytes, Count


class Audit(Section):
    """The audit log: who changed what, who was refused, and what befell the node, in a chain of hashes. Absent: there is one
    only with the section management. See docs/audit.md."""

    keep_days: Count = Field(
        default=365, ge=1, le=36_500, description="How long entries are kept. What goes is recorded, and leaves by whole files."
    )
    keep_bytes: Bytes = Field(
        default=64 << 20,
        ge=1 << 20,
        le=1 << 40,
        description="How much the log may take on the disk: the oldest entries go first. An entry has about 300 bytes.",
    )
