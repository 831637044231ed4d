"""What the sides of a transfer raise, beside `transfer.faults.TransferFault`."""

from __future__ import annotations

from typing import Final

from appliance.errors import ApplianceError, ExitCode
from appliance.transfer.faults import Reason

_HINTS: Final = {
    Reason.NOT_WANTED: "the receiver names you by --from, or takes files from everybody",
    Reason.TOO_MANY: "send less at a time",
    Reason.BAD_NAME: "rename what is named",
    Reason.EXISTS: "the receiver moves it away, or runs with --overwrite",
    Reason.NO_ROOM: "what arrived is kept; make room there and run the same command again",
    Reason.BUSY: "wait until the others have ended, and run the same command again",
    Reason.CORRUPT: "what arrived before is kept and was verified; run the same command again",
    Reason.NOT_UNDERSTOOD: "run the same version on both sides",
    Reason.SILENT: "run the same command again: it goes on where it was",
    Reason.STOPPED: "run the same command again: it goes on where it was",
    Reason.ELSEWHERE: "another command of this node sends the same files; let it",
    Reason.FAILED: "what arrived is kept; mend what is named and run the same command again",
}
PASSING: Final = frozenset({Reason.NO_ROOM, Reason.BUSY, Reason.SILENT, Reason.STOPPED, Reason.CORRUPT})
"""Reasons that may be gone when the same is sent again."""


class CannotSend(ApplianceError):
    """What should be sent cannot be: it is not there, no file or folder, or too much."""

    exit_code = ExitCode.INVALID


class TransferLost(ApplianceError):
    """The stream of a transfer ended before the transfer did, or was silent for too long. What arrived is kept."""

    exit_code = ExitCode.RETRY
    retryable = True

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=_HINTS[Reason.SILENT])


class TransferRefused(ApplianceError):
    """A side of a transfer gave up, and said why. `reason` is for programs."""

    def __init__(self, reason: Reason, text: str, *, who: str = "the other side") -> None:
        super().__init__(f"{who} ended the transfer ({reason}): {text}" if text else f"{who} ended the transfer: {reason}")
        self.hint = _HINTS[reason]
        self.reason = reason
        self.retryable = reason in PASSING
        self.exit_code = ExitCode.RETRY if self.retryable else ExitCode.FAILURE


class Unwilling(Exception):
    """This side gives up: `reason` and `text` are for the other one, too. Never leaves this package."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
