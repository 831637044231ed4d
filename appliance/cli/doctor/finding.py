"""What a check says."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

OFFLOAD_TODO = (
    "the device may compute no checksums (`ethtool -k DEVICE`; Linux 6.11 needs none), IPsec may be on the way "
    "(`ip xfrm policy`), or a filter of this host judges by length (`nft list ruleset`)"
)


class Severity(Enum):
    """How bad it is."""

    FAILURE = "failure"
    """The node does not work."""
    WARNING = "warning"
    """It works, but not well."""
    NOTE = "note"
    """Worth knowing."""


class Finding(NamedTuple):
    """One finding."""

    code: str
    """A section of docs/troubleshooting.md."""
    severity: Severity
    finding: str
    """One sentence about what was found."""
    todo: str
    """One sentence about what to do."""


def failure(code: str, finding: str, todo: str) -> Finding:
    """The node does not work like this."""
    return Finding(code, Severity.FAILURE, finding, todo)


def warning(code: str, finding: str, todo: str) -> Finding:
    """It works, but not well."""
    return Finding(code, Severity.WARNING, finding, todo)


def note(code: str, finding: str, todo: str) -> Finding:
    """Worth knowing."""
    return Finding(code, Severity.NOTE, finding, todo)
