"""Counters that the worker writes and the control process reads, in memory both share.

One array of unsigned 64-bit numbers: first the drops by reason, the classes and the beat, then a row per session slot. Single
writer, any readers; a reader may see one counter newer than its neighbour, never a torn number. Reading costs the worker nothing.
"""

from __future__ import annotations

from typing import Final

from appliance.dataplane.classes import CLASSES

DROP_REASONS: Final = (
    "malformed",  # not a packet of this protocol, or lengths that contradict each other
    "unknown_session",  # no such session index
    "bad_tag",  # did not open under the session's keys
    "replayed",  # seen before, or older than the replay window
    "bad_source",  # inner source address that is not the peer's: another's, this node's, or nobody's
    "hop_limit",  # TTL or hop limit used up
    "no_route",  # inner destination behind no peer
    "no_session",  # waited for a session longer than the queue allows
    "tun_refused",  # the kernel did not take the packet
    "congested",  # the link's queue was full
    "unreachable",  # the network said no on the way out
    "oversized",  # longer than a record may be
    "reassembly",  # a fragment's siblings did not come in time
    "exhausted",  # the session's key may seal no more
    "control_busy",  # the control process did not keep up, or would not
    "compressed",  # compressed though this side takes none from the peer, not one whole frame, or more than a record may hold
    "icmp_limited",  # an error about a dropped packet that was not sent, as there were too many
    "queue_full",  # its class's queue, or all together, had no room
    "aged",  # waited longer than its queue should be long
    "over_rate",  # was too much for the rate of its peer
    "uninvited",  # of a handshake, without a cookie while those are needed
    "handover_busy",  # the worker that has the session did not keep up, or has died
    "multicast",  # inner destination that means many, which the overlay does not carry
    "no_channel",  # a record of a data channel that nobody has open here
    "channel_full",  # whoever has the data channel open does not keep up
    "raised",  # what was to be done with it failed by a mistake of ours; the rest goes on
)
REASON_INDEX: Final = {reason: index for index, reason in enumerate(DROP_REASONS)}

CLASSES_AT: Final = 32
"""Where the rows of the traffic classes begin; room for further reasons before."""
CLASS_PACKETS, CLASS_BYTES, CLASS_DROPPED, CLASS_MARKED, CLASS_QUEUED = range(5)
CLASS_FIGURES: Final = 5
CLASS_ROW: Final = 8
CHANNEL_RX_RECORDS, CHANNEL_RX_BYTES, CHANNEL_TX_RECORDS, CHANNEL_TX_BYTES = range(56, 60)
"""What went through data channels: records handed to descriptors and read from them, and the bytes of their bodies."""
BEAT: Final = 64
"""The number of the control process's newest question whether the worker still turns, written when the worker comes to it."""
BEAT_AT: Final = 65
"""When it came to it: microseconds of the clock that both processes share (CLOCK_MONOTONIC)."""
HEAD: Final = 72
"""Counters before the first session row."""

RX_PACKETS, RX_BYTES, RX_RECORDS, TX_PACKETS, TX_BYTES, TX_RECORDS, RX_EPOCH, TX_EPOCH, RX_SAVED, TX_SAVED = range(10)
ROW: Final = 10
"""Counters per session. Bytes and packets are inner ones, as they cross the TUN; saved are those kept off the wire."""


def size_bytes(slots: int) -> int:
    """Bytes of shared memory for `slots` sessions."""
    return (HEAD + ROW * slots) * 8


def base(slot: int) -> int:
    """Index of the first counter of a session slot."""
    return HEAD + ROW * slot


def class_base(kind: int) -> int:
    """Index of the first counter of a traffic class."""
    return CLASSES_AT + CLASS_ROW * kind


def classes(counters: memoryview) -> dict[str, list[int]]:
    """Figures by class, in the order of appliance.api.monitoring.ClassFigures. `counters` is cast to "Q"."""
    rows = ((name, class_base(kind)) for kind, name in enumerate(CLASSES))
    return {name: counters[at : at + CLASS_FIGURES].tolist() for name, at in rows}


def drops(counters: memoryview) -> dict[str, int]:
    """Drops by reason; reasons that never occurred are left out. `counters` is cast to "Q"."""
    return {reason: counters[index] for reason, index in REASON_INDEX.items() if counters[index]}
