"""A transfer until it is done: connects, sends, and does so again when the connection is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from appliance.errors import ApplianceError
from appliance.files.errors import CannotSend, TransferRefused
from appliance.files.progress import Progress
from appliance.files.sending import Sender, Sent
from appliance.files.source import Source
from appliance.foundation import clock, entropy
from appliance.transfer.faults import Reason, TransferFault

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 1.0
"""So that, with attempts of two seconds at most, a transfer goes on about two seconds after the peer can be reached again."""
PATIENCE_SECONDS: Final = 300.0
"""Without a byte more on the other side's disk. Then a person is asked."""
_AGAIN: Final = frozenset({Reason.BUSY, Reason.SILENT, Reason.STOPPED, Reason.CORRUPT})

Dial = Callable[[], Awaitable[socket.socket]]


class Delivery:
    """Sends one source to one receiver. `dial` opens a stream to it. Its errors are tried again if they are `retryable`, and from
    the second stream on whatever they are: a peer whose node is just starting may not be known, or serve nothing yet."""

    def __init__(
        self,
        source: Source,
        dial: Dial,
        report: Callable[[Progress], None] = lambda _: None,
        interrupted: Callable[[ApplianceError, float], None] = lambda _error, _pause: None,
        patience_s: float = PATIENCE_SECONDS,
    ) -> None:
        """`report` is called in a thread, for each chunk. `interrupted` hears of each error after which it is tried again, and in
        how many seconds."""
        self._source = source
        self._dial = dial
        self._report = report
        self._interrupted = interrupted
        self._patience_s = patience_s
        self._on_disk = -1
        self._was_there = False
        self._moved_at = clock.monotonic()

    async def run(self) -> Sent:
        """Send all. Raises ApplianceError when it cannot be, or nothing moved for `patience_s`. Cancelled, it ends the stream,
        and the receiver keeps what it has."""
        pause = FIRST_PAUSE
        while True:
            begun = clock.monotonic()
            try:
                return await self._try()
            except ApplianceError as error:
                if not self._may_pass(error) or clock.monotonic() - self._moved_at > self._patience_s:
                    raise
                pause = FIRST_PAUSE if self._moved_at > begun else min(2 * pause, LONGEST_PAUSE)
                pause *= 0.5 + entropy.jitter() / 2
                self._interrupted(error, pause)
            await asyncio.sleep(pause)

    async def _try(self) -> Sent:
        await asyncio.to_thread(self._source.look)
        stream = await self._dial()
        self._was_there = True
        sender = Sender(stream, self._source, self._moved)
        running = asyncio.get_running_loop().run_in_executor(None, sender.run)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            sender.stop()
            await asyncio.wait([running])
            running.exception()
            raise

    def _may_pass(self, error: ApplianceError) -> bool:
        """May the same work in a moment, without anybody having done something?"""
        match error:
            case TransferRefused(reason=reason):
                return reason in _AGAIN
            case CannotSend() | TransferFault():
                return False
        return error.retryable or self._was_there

    def _moved(self, progress: Progress) -> None:
        if progress.there < progress.on_disk != self._on_disk:
            self._on_disk, self._moved_at = progress.on_disk, clock.monotonic()
        self._report(progress)
