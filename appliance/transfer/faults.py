"""What goes wrong with a transfer, by the names that both sides know."""

from __future__ import annotations

from enum import StrEnum

from appliance.errors import PeerFault


class Reason(StrEnum):
    """Why a side ends a transfer before it is complete, as an ERROR frame says it."""

    NOT_WANTED = "not-wanted"
    """The receiver takes no files from this sender."""
    TOO_MANY = "too-many"
    """More files or names than one transfer may have."""
    BAD_NAME = "bad-name"
    """A name that could leave the receiver's folder, or that no file can have."""
    EXISTS = "exists"
    """Something else is already there under that name."""
    NO_ROOM = "no-room"
    """The receiver's disk is full. What came is kept."""
    BUSY = "busy"
    """As many transfers go on as may."""
    CORRUPT = "corrupt"
    """A chunk is not what its hash says. What came before is kept."""
    NOT_UNDERSTOOD = "not-understood"
    """The other side broke the protocol."""
    SILENT = "silent"
    """Nothing came for too long."""
    STOPPED = "stopped"
    """Somebody ended it."""
    ELSEWHERE = "elsewhere"
    """The same files come over a newer connection."""
    FAILED = "failed"
    """The file system of the side that says so refused something."""


class TransferFault(PeerFault):
    """The other side of a transfer broke the protocol. Ends the connection; what is on the disk by then is kept.

    `reason` is what is told to that side; the message is for this one.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, hint="run the same version on both sides; if they are, the other side does not keep to it")
        self.reason = reason
