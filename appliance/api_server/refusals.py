"""What the edge refuses, each with its status of HTTP and the word by which it is counted."""

from __future__ import annotations

from http import HTTPStatus

from appliance.errors import ApplianceError, ExitCode


class Refused(ApplianceError):
    """A request that goes no further than the edge. `status`: of HTTP. `reason`: under which it is counted."""

    exit_code = ExitCode.INVALID
    status = HTTPStatus.BAD_REQUEST
    reason = "malformed"


class MalformedRequest(Refused):
    """What came is not HTTP/1.1 as RFC 9112 has it, or can be read in two ways."""


class HeadTooLarge(Refused):
    """The header fields are too many or too long."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    reason = "head-too-large"


class AddressTooLong(Refused):
    """The address in the request line is too long."""

    status = HTTPStatus.REQUEST_URI_TOO_LONG
    reason = "address-too-long"


class RequestTooLarge(Refused):
    """More came on the wire than any body may have."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    reason = "body-too-large"


class RequestTooSlow(Refused):
    """The request did not arrive in time."""

    exit_code = ExitCode.RETRY
    retryable = True
    status = HTTPStatus.REQUEST_TIMEOUT
    reason = "too-slow"


class UnknownExpectation(Refused):
    """`Expect` has something other than 100-continue."""

    status = HTTPStatus.EXPECTATION_FAILED
    reason = "expectation"


class UnknownVersion(Refused):
    """The request is neither HTTP/1.1 nor HTTP/1.0."""

    status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    reason = "version"


class WrongHost(Refused):
    """The request was meant for another host."""

    status = HTTPStatus.MISDIRECTED_REQUEST
    reason = "host"


class ForeignOrigin(Refused):
    """A page of another origin wants to change something, or to open a stream."""

    exit_code = ExitCode.PERMISSION
    status = HTTPStatus.FORBIDDEN
    reason = "origin"


class Overloaded(Refused):
    """The API server or its host is short of `resource`, and takes less than usual. `retry_after`: seconds."""

    exit_code = ExitCode.RETRY
    retryable = True
    status = HTTPStatus.SERVICE_UNAVAILABLE
    reason = "short"

    def __init__(self, resource: str, retry_after: float) -> None:
        super().__init__(
            f"this node is short of {resource} and takes less for a while",
            hint="wait as long as Retry-After says; root of the host sees what is short: appliance status",
        )
        self.reason = f"short-{resource}"
        self.retry_after = retry_after


class TooManyRequests(Refused):
    """More requests came from one address, or for one user, than the profile allows. `retry_after`: seconds."""

    exit_code = ExitCode.RETRY
    retryable = True
    status = HTTPStatus.TOO_MANY_REQUESTS
    reason = "rate"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, hint="wait as long as Retry-After says; management.limits has the rates")
        self.retry_after = retry_after
