"""What is around a node: the host that it changes, or nothing but the process it runs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.foundation.turns import Turns
from appliance.linux import interfaces
from appliance.runtime.links.loops import Refuses, nothing_refused
from appliance.runtime.peers.known_paths import KnownPath


def _forget(*_values: object) -> None:
    """Nothing is kept."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a node needs of what is around it. The defaults are for a node that changes no host: nothing is written down, and no
    address leads into a tunnel of its own."""

    mark: int | None = None
    """The firewall mark of packets to peers; None: they carry none, which takes no privilege."""
    refuses: Refuses = nothing_refused
    """Judges addresses of peers: which of them would lead into the tunnel?"""
    recall: Callable[[], Mapping[str, KnownPath]] = dict
    """Where peers were when an earlier process of this node ended without a word."""
    remember: Callable[[str, KnownPath | None], None] = _forget
    """Write down where a peer is; None: that it left."""
    dropped: Callable[[str], int] = interfaces.dropped
    """Packets of this interface that the kernel dropped because nobody read them."""
    keep_pids: Callable[[Sequence[int]], None] = _forget
    """Write down which processes are the workers, none when they have ended in order."""
    problems: Callable[[], Mapping[str, str]] = dict
    """What is wrong with each part around the node, "" for one that is well."""
    turns: Turns | None = None
    """The turns of the event loop; None: whoever runs it does not measure them."""
    state: Path | None = None
    """The state folder; None: there is none."""
    kept: Path | None = None
    """The folder of what plugins keep on this host; None: they keep nothing."""
