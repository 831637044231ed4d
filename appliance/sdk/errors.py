"""What an application catches. Each error has `code` (a name for programs), `message`, `hint` (what to do) and `retryable` (the
same call may succeed later)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.errors import ApplianceError, ExitCode


class SDKError(ApplianceError):
    """Root of all that this package raises on purpose."""


class NodeGone(SDKError):
    """No node of this host answers: none runs, or it ended."""

    exit_code = ExitCode.NO_DAEMON


class AccessDenied(SDKError):
    """The node of this host, or the peer, does not let this application do that."""

    exit_code = ExitCode.PERMISSION


class UnknownPeer(SDKError):
    """No peer is called so."""


class PeerUnreachable(SDKError):
    """The peer did not answer in time, or cannot be reached now."""

    exit_code = ExitCode.RETRY
    retryable = True


class ServiceNotFound(SDKError):
    """The peer has no such service, or nothing listens at that port."""


class ServiceTaken(SDKError):
    """Another application of this host serves under that name."""


class ServiceBusy(SDKError):
    """There are as many callers as there may be."""

    exit_code = ExitCode.RETRY
    retryable = True


class DeadlineExceeded(SDKError, TimeoutError):
    """A deadline of the application's passed. What was under way has been given up; the connection is as it was."""

    exit_code = ExitCode.RETRY
    retryable = True


class ConnectionLost(SDKError, ConnectionError):
    """The stream ended without the other side having closed it: that was reset, killed, or is out of reach."""

    exit_code = ExitCode.RETRY
    retryable = True


class NoInstance(SDKError):
    """Nobody serves the service, as far as this host's node knows."""

    exit_code = ExitCode.RETRY
    retryable = True


class BadAnswer(SDKError):
    """Raised by a program: what an instance of a service answered is no good. `Service.call` then asks another one."""

    exit_code = ExitCode.RETRY
    retryable = True


class CircuitOpen(SDKError):
    """Calls to that place failed often, so that none is made for a while. `opens_in_s`: seconds until one is tried."""

    exit_code = ExitCode.RETRY
    retryable = True

    def __init__(self, message: str, *, hint: str = "", opens_in_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.opens_in_s = opens_in_s


class TooManyCalls(SDKError):
    """This client makes more calls than it was allowed to (`calls_per_s`). It may be tried later, but not by the client
    itself."""


class PoolBusy(SDKError):
    """All connections of a pool were in use for as long as the caller would wait."""

    exit_code = ExitCode.RETRY
    retryable = True


class PoolClosed(SDKError):
    """The pool is closed: nothing is taken from it any more."""


class ConfigInvalid(SDKError):
    """The client's configuration is wrong. `problems` has all that was found, each with where it stands."""

    exit_code = ExitCode.INVALID

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__(f"the client's configuration is wrong: {'; '.join(problems)}", hint=hint)
        self.problems = list(problems)


_CLASSES: Final[Mapping[str, type[SDKError]]] = {
    "NoDaemon": NodeGone,
    "hung-up": NodeGone,
    "stopping": NodeGone,
    "MissingPrivilege": AccessDenied,
    "permission": AccessDenied,
    "NotAllowed": AccessDenied,
    "NoSuchName": UnknownPeer,
    "PeerNotReached": PeerUnreachable,
    "NothingServed": ServiceNotFound,
    "ServiceTaken": ServiceTaken,
    "TooBusy": ServiceBusy,
    "busy": ServiceBusy,
    "user-busy": ServiceBusy,
    "too-many-questions": ServiceBusy,
}
"""By the code of what the node says."""


def from_node(error: ApplianceError) -> SDKError:
    """The same as one of the errors above, with the node's code, message and hint."""
    if isinstance(error, SDKError):
        return error
    made = _CLASSES.get(error.code, SDKError)(error.message, hint=error.hint)
    made.code = error.code
    made.exit_code = error.exit_code
    made.retryable = made.retryable or error.retryable
    return made


def from_document(document: Mapping[str, Any]) -> SDKError:
    """The error that a node's document tells of."""
    from appliance.control.client import error_of

    return from_node(error_of(document))
