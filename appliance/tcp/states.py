r"""The states of a connection (RFC 9293, 3.3.2), and the moves between them.

    SYN_SENT ------> SYN_RECEIVED ----> ESTABLISHED --peer ends--> CLOSE_WAIT --we end--> LAST_ACK -----> CLOSED
        \_____________________________________/ \we end                                                   ^
                                                  v                                                       |
                                             FIN_WAIT_1 --acknowledged--> FIN_WAIT_2 --peer ends--> TIME_WAIT
                                                  \--peer ends--> CLOSING --acknowledged-----------------^

From each a reset, or giving up, leads to CLOSED. LISTEN is `listening`'s.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class State(Enum):
    """Where a connection is."""

    SYN_SENT = auto()
    SYN_RECEIVED = auto()
    ESTABLISHED = auto()
    FIN_WAIT_1 = auto()
    FIN_WAIT_2 = auto()
    CLOSE_WAIT = auto()
    CLOSING = auto()
    LAST_ACK = auto()
    TIME_WAIT = auto()
    CLOSED = auto()


MOVES: Final[dict[State, frozenset[State]]] = {
    State.SYN_SENT: frozenset({State.SYN_RECEIVED, State.ESTABLISHED, State.CLOSED}),
    State.SYN_RECEIVED: frozenset({State.ESTABLISHED, State.CLOSED}),
    State.ESTABLISHED: frozenset({State.FIN_WAIT_1, State.CLOSE_WAIT, State.CLOSED}),
    State.FIN_WAIT_1: frozenset({State.FIN_WAIT_2, State.CLOSING, State.TIME_WAIT, State.CLOSED}),
    State.FIN_WAIT_2: frozenset({State.TIME_WAIT, State.CLOSED}),
    State.CLOSE_WAIT: frozenset({State.LAST_ACK, State.CLOSED}),
    State.CLOSING: frozenset({State.TIME_WAIT, State.CLOSED}),
    State.LAST_ACK: frozenset({State.CLOSED}),
    State.TIME_WAIT: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}
OPENING: Final = frozenset({State.SYN_SENT, State.SYN_RECEIVED})


class Ending(Enum):
    """How a connection ended, as its application sees it."""

    FINISHED = "finished"
    """Both sides have said that they write no more."""
    REFUSED = "refused"
    """The peer has nobody at that port."""
    RESET = "reset"
    """The peer broke it off."""
    ABORTED = "aborted"
    """We broke it off."""
    SILENT = "silent"
    """The peer did not answer any more."""
