"""The member's side of enrolment in a running node: newcomers on probation ask, and what came of it is logged for its admin.

A newcomer hears the certificate or nothing. Why it was nothing is counted, and said to the admin with the name of the invitation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeGuard

from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger, once_per
from appliance.members.enrolment import FORWARD, FORWARDED, NETWORK
from appliance.members.invitations import Verdict
from appliance.members.network import digest_of_text
from appliance.members.proof import Bound, Claim
from appliance.protocol.identity import PREFIX
from appliance.runtime.node.strangers import is_stranger

if TYPE_CHECKING:
    from appliance.api.peer_protocol import Answer
    from appliance.members.enrolment import Inviter
    from appliance.protocol.control_channel import Exporter
    from appliance.runtime.members.passing_on import PassingOn

log = get_logger("enrolment")

SAID_EVERY: Final = 60.0
"""Seconds between two lines that say the same: a stranger can make as many guesses as handshakes."""
OF_AN_INVITATION: Final = frozenset({Verdict.WRONG, Verdict.EXPIRED, Verdict.USED, Verdict.BURNT, Verdict.REVOKED})
"""Verdicts about somebody who has, or had, a code."""


class Exporters(Protocol):
    """The part of the control channel that enrolment needs."""

    def exporter(self, peer: str) -> Exporter | None:
        """As ControlChannel.exporter."""


class Inviting:
    """Answers newcomers (`api.peer_protocol.PeerProtocol`). `wall()` is the time in Unix seconds."""

    def __init__(
        self,
        inviter: Inviter,
        control: Exporters,
        own: str,
        wall: Callable[[], float],
        passing_on: PassingOn | None = None,
    ) -> None:
        """`own`: this node's fingerprint. `passing_on`: for newcomers whom another member has invited."""
        self._inviter = inviter
        self._control = control
        self._own = own
        self._wall = wall
        self._passing_on = passing_on

    def on_connected(self, peer: str) -> None:
        """Newcomers speak first."""

    def on_gone(self, peer: str) -> None:
        """Nothing is kept of a newcomer but its certificate."""

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """There are requests only."""

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        """A newcomer shows that it has a code. It is a stranger, or a member already whose answer was lost; or a member passes on
        what a newcomer says."""
        told = self._control.exporter(peer)
        if told is None:  # its session is over
            return None
        if kind == FORWARD:
            return None if self._passing_on is None else await self._passing_on.ask(told.identity, content, body)
        if kind == FORWARDED:
            return self._answer_through(peer, told.identity, content, body)
        return self._answer(kind, content, body, Bound(told.session, told.secret, joiner=told.identity, inviter=self._own))

    def _answer_through(self, peer: str, relay: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        joiner, name, claim = content.get("joiner"), content.get("ask"), Claim.read(content)
        if is_stranger(peer) or claim is None or not isinstance(name, str) or not _is_fingerprint(joiner):
            return None
        return self._answer(name, content, body, Bound.passed_on(claim.session, relay, joiner, self._own))

    def _answer(self, name: str, content: Mapping[str, Any], body: bytes, bound: Bound) -> Answer | None:
        try:
            verdict, answer = self._inviter.answer(name, content, body, bound, int(self._wall()))
        except ApplianceError as error:
            log.error(  # noqa: TRY400  the admin's to mend
                "a newcomer has a good code and gets no certificate", reason=error.text(), newcomer=bound.joiner
            )
            return None
        except OSError as error:
            log.error(  # noqa: TRY400  the disk's fault
                "what became of an invitation cannot be written down, so nobody is let in",
                reason=str(error),
                newcomer=bound.joiner,
            )
            return None
        self._tell(verdict, name, bound)
        return answer

    def _tell(self, verdict: Verdict, name: str, bound: Bound) -> None:
        newcomer = bound.joiner
        if verdict is Verdict.SPOILT:
            if times := once_per(SAID_EVERY, f"enrolment spoilt {bound.by}"):
                log.warning("a member passes on what is no proof", member=bound.by, newcomer=newcomer, times=times)
        elif verdict is not Verdict.GOOD:
            if times := once_per(SAID_EVERY, f"enrolment {verdict}"):
                said = "an invitation was refused" if verdict in OF_AN_INVITATION else "somebody without a code wanted to join"
                log.warning(said, reason=verdict, newcomer=newcomer, times=times)
        elif name == NETWORK:
            log.debug("a newcomer has a good code", newcomer=newcomer)
        else:
            log.info("a newcomer has its certificate", newcomer=newcomer)


def _is_fingerprint(text: object) -> TypeGuard[str]:
    try:
        return isinstance(text, str) and text.startswith(PREFIX) and bool(digest_of_text(text))
    except ValueError:
        return False
