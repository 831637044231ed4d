"""The one error of everything that a peer may have got wrong."""

from __future__ import annotations


class Malformed(ValueError):
    """The peer broke a protocol. Its connection, or its stream, is of no use any more.

    `reason` is one of few words, which are counted: never what the peer sent.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
