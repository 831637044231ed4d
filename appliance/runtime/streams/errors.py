"""Why there is no stream, as an application and a person are told."""

from __future__ import annotations

from appliance.errors import ApplianceError, ExitCode
from appliance.wire.stream_preface import StreamRefusal


class StreamError(ApplianceError):
    """A stream cannot be had."""


class PeerNotReached(StreamError):
    """The peer did not answer in time, or cannot be reached now."""

    exit_code = ExitCode.RETRY
    retryable = True


class NothingServed(StreamError):
    """Nothing listens there: the peer has no such service or port."""


class NotAllowed(StreamError):
    """The peer does not let this node have it."""

    exit_code = ExitCode.PERMISSION


class TooBusy(StreamError):
    """The service has as many callers waiting as it may have."""

    exit_code = ExitCode.RETRY
    retryable = True


class ServiceTaken(StreamError):
    """Another application of this host serves under that name."""


class NotServedHere(StreamError):
    """No application of that user serves it on this host."""


def refusal(reason: StreamRefusal, peer: str, service: str) -> StreamError:
    """The error for what the peer said."""
    match reason:
        case StreamRefusal.NO_SUCH_SERVICE:
            return NothingServed(f"{peer} has no service {service}", hint=f"there: appliance serve {service} …")
        case StreamRefusal.BUSY:
            return TooBusy(f"service {service} of {peer} takes no more callers now", hint="try again in a moment")
        case StreamRefusal.NOT_ALLOWED:
            return NotAllowed(
                f"{peer} does not let this node have {service}", hint="its section `policy` decides; see appliance status there"
            )
        case _:
            return StreamError(
                f"{peer} did not understand what was asked", hint="are both nodes of the same version? see appliance version"
            )
