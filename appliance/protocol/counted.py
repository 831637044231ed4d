"""What a node counts besides faults (`wire.faults`): how often something happened, by a word that status and metrics show.

docs/protocol.md lists them; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum

from appliance.protocol.events import CloseReason


class Count(StrEnum):
    """What happened."""

    # handshakes
    INITIATED = "initiated"
    """We began one."""
    ANSWERED = "answered"
    """We answered a hello with ours."""
    COMPLETED = "completed"
    """A session carries its peer's traffic from now on."""
    UNFINISHED = "unfinished"
    """Nobody finished a handshake that we answered."""
    TIMEOUT = "timeout"
    """Nobody answered a handshake that we began."""
    RESENT = "resent"
    ANSWERED_AGAIN = "answered-again"
    """The same hello came again, and so did our answer."""
    CONFIRMED_AGAIN = "confirmed-again"
    """The same finish came again, and so did our confirmation."""
    COOKIE_SENT = "cookie-sent"
    COOKIE_RETURNED = "cookie-returned"
    AMPLIFICATION_REFUSED = "amplification-refused"
    """An answer was not sent: more than three times what came from an address that has not shown that it receives."""
    CUT_SMALLER = "cut-smaller"
    """A handshake message goes out in smaller datagrams from now on."""
    # ways to a peer
    DIAL_FAILED = "dial-failed"
    LINK_CLOSED = "link-closed"
    """The link of a handshake closed."""
    LOOP = "loop"
    """A path to the peer would have gone through the tunnel itself."""
    NO_ROOM = "no-room"
    """The worker could not keep the session of a handshake that we began."""
    STRANGER_LINKS = "stranger-links"
    """An accepted link was closed, or not accepted, because there were too many on which no handshake began."""
    # sessions
    ROTATED = "rotated"
    """We began a handshake to replace a session."""
    DISOWNED = "disowned"
    """A packet said that the peer has lost the session, and we began another."""
    KEEPALIVE_SENT = "keepalive-sent"
    MOVED = "moved"
    """A session goes over another path from now on."""
    PATH_CHALLENGED = "path-challenged"
    """A token was sent to an address that a session's records came from."""
    PATH_TRIED = "path-tried"
    """A token was sent to another address of the peer's, to see whether it gets through."""
    PATH_ASKED = "path-asked"
    """A peer tried a path to us, and we answered by it."""
    PATH_ASKED_TOO_OFTEN = "path-asked-too-often"
    """One that was not answered, since the peer had had 250 in a second."""
    PATH_PROVED = "path-proved"
    """A token that was sent by another path came back by it."""
    PATH_ASTRAY = "path-astray"
    """An answer to such a token came by another path than it was sent, or too late."""
    UPGRADED = "upgraded"
    """We moved a session to a better path."""
    FELL_BACK = "fell-back"
    """We moved a session back to the path it was on before, because the better one died."""
    PATH_DEAD = "path-dead"
    """A peer answered none of several KeepAlives."""
    CONTROL_REPEATED = "control-repeated"
    """A request came again: it is being answered, or its answer was sent again."""
    # strangers (`protocol.probation`)
    PROBATION = "probation"
    """Somebody whom this node does not know got a session for a few seconds."""
    PROBATION_OVER = "probation-over"
    """Its time was over before it had proved that it is a member."""
    PROBATION_EVICTED = "probation-evicted"
    """It had to make room for others before its time."""
    PROBATION_CALLS = "probation-calls"
    """We did not call somebody whom we do not know, because there were too many such calls."""
    # datagrams of a path
    PATH_PROBED = "path-probed"
    PATH_RAISED = "path-raised"
    PATH_LOWERED = "path-lowered"
    PATH_LIMITED = "path-limited"
    """The kernel knows that the path takes less."""


def closed(reason: CloseReason) -> str:
    """The word for sessions that ended for this reason."""
    return f"closed-{reason}"
