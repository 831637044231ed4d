"""A WebSocket as uvicorn speaks it, which is cut off when its client does not read."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from appliance.api_server.edge.limits import Deadlines


class WebSocket(WebSocketsSansIOProtocol):
    """One connection, from the upgrade on."""

    write_seconds = Deadlines().write
    """Until a client that has not read what was written is cut off."""
    _cut: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn."""
        self._patience_ends(None)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More is written than the client takes."""
        super().pause_writing()
        self._patience_ends(self.write_seconds)

    def resume_writing(self) -> None:
        """It takes some."""
        super().resume_writing()
        self._patience_ends(None)

    def keepalive_timeout(self) -> None:
        """It does not answer; then it may not read the last words either."""
        super().keepalive_timeout()
        self._patience_ends(self.write_seconds)

    def _patience_ends(self, seconds: float | None) -> None:
        if self._cut is not None:
            self._cut.cancel()
        self._cut = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
