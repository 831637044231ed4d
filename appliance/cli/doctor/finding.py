"""What a check says."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

OFFLOAD_TODO = (
    "the device may compute no checksums (`ethtool -k DEVICE`; Linux 6.11 needs none), IPsec may be on the way "
    "(`ip xfrm policy`), or a filter of this host judges by length (`nft list ruleset`)"
)


class Severity(Enum):
    """How bad it is: the node does not work, it works but not well, or it is worth knowing."""

    FAILURE = "failure"
    WARNING = "warning"
    NOTE = "note"


class Finding(NamedTuple):
    """One finding. `code` is a section of docs/troubleshooting.md, `todo` one sentence for the admin."""

    code: str
    severity: Severity
    finding: str
    todo: str


def failure(code: str, finding: str, todo: str) -> Finding:
    """The node does not work like this."""
    return Finding(code, Severity.FAILURE, finding, todo)


def warning(code: str, finding: str, todo: str) -> Finding:
    """It works, but not well."""
    return Finding(code, Severity.WARNING, finding, todo)


def note(code: str, finding: str, todo: str) -> Finding:
    """Worth knowing."""
    return Finding(code, Severity.NOTE, finding, todo)
