"""What can be wrong with what a peer sends: one word each, which is counted and shown in status and metrics.

docs/protocol.md lists them; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Why a packet or message was refused. The message of a `PeerFault`."""

    # its form
    BAD_HEADER = "bad-header"
    """The header is too short, or its checksum is wrong."""
    VERSION = "version"
    """It is of another version of LLP."""
    MALFORMED = "malformed"
    """Its fields do not make a message."""
    TOO_LONG = "too-long"
    """It is longer than such a message may be."""
    BAD_FRAGMENT = "bad-fragment"
    """The piece cannot belong to its message."""
    UNEXPECTED = "unexpected"
    """A packet of this type, or a record on this channel, has no place there."""
    # what it is for
    UNKNOWN_LINK = "unknown-link"
    UNKNOWN_INDEX = "unknown-index"
    """No handshake or session has the index that it names, or that one goes over another path."""
    UNKNOWN_SESSION = "unknown-session"
    # how much of it comes
    COOKIE_NEEDED = "cookie-needed"
    """The piece of a hello came while strangers have to return a cookie first."""
    BAD_COOKIE_REPLY = "bad-cookie-reply"
    """The cookie answers another hello."""
    RATE_LIMITED = "rate-limited"
    CROWDED = "crowded"
    """As many handshakes are unfinished, or wait, as there may be."""
    HOST_SHORT = "host-short"
    """This host is so short of something that nobody unknown gets a session."""
    TOO_LATE = "too-late"
    """It waited here until its sender has given up."""
    SESSION_LIMIT = "session-limit"
    """There are `limits.sessions` sessions."""
    # its cryptography
    BAD_SHARE = "bad-share"
    """The key share gives no shared secret."""
    BAD_IDENTITY = "bad-identity"
    """The bytes are no pair of public keys."""
    BAD_SESSION_ID = "bad-session-id"
    """The session id is no UUID of version 4."""
    NOT_AUTHENTIC = "not-authentic"
    """It was not sealed with the key agreed on."""
    BAD_SIGNATURE = "bad-signature"
    UNKNOWN_IDENTITY = "unknown-identity"
    """The proof is good, but of a node that the profile does not name."""
    BLOCKED = "blocked"
    """The proof is good, and this node has no session with that identity for now."""
    PROBATION_AGAIN = "probation-again"
    """A stranger on probation wants further sessions."""
    WRONG_IDENTITY = "wrong-identity"
    """The proof is good, but of another peer than the one we called."""
    # what it offers
    DOWNGRADE = "downgrade"
    """The answer chose something that we did not offer."""
    PQ_REQUIRED = "pq-required"
    """The hello has no post-quantum share, and the profile requires one."""
    NO_COMMON_KEX = "no-common-kex"
    NO_COMMON_SUITE = "no-common-suite"
    # control messages
    CONTROL_UNKNOWN = "control-unknown"
    """Of a family that this node does not speak."""
    CONTROL_UNPROVED = "control-unproved"
    """Its peer may not say it before it has proved that it is a member."""
    CONTROL_FLOOD = "control-flood"
    """Above the peer's budget in its family."""
    CONTROL_FULL = "control-full"
    """As many of the peer's wait for their handler as may."""
    CONTROL_REUSED = "control-reused"
    """A request with the number of another one."""
    CONTROL_LATE = "control-late"
    """An answer to a request that has ended."""
    CONTROL_UNASKED = "control-unasked"
    """An answer to no request of ours."""
    # afterwards
    ROTATION_FAILED = "rotation-failed"
    """The session was not renewed in time."""


TOLD = frozenset(
    {
        Fault.BAD_SIGNATURE,
        Fault.DOWNGRADE,
        Fault.NO_COMMON_KEX,
        Fault.NO_COMMON_SUITE,
        Fault.PQ_REQUIRED,
        Fault.ROTATION_FAILED,
        Fault.SESSION_LIMIT,
        Fault.UNKNOWN_IDENTITY,
        Fault.VERSION,
        Fault.WRONG_IDENTITY,
    }
)
"""Those that the admin can do something about, and is told of. The others are only counted."""
