"""What is known of a kind that a plugin brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Brought(NamedTuple):
    """A kind, and the plugin that brings it."""

    plugin: str
    kind: Any
    """`StoreKind`, `CacheKind`, `ExportKind`, `LoginKind`, `GatewayKind` or `ServerKind`."""


Kinds = Mapping[str, Mapping[str, Brought]]
"""By the key below `management`, and then by name."""
