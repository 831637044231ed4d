"""All invitations of one member: judges who comes with which proof, and changes an invitation before anybody hears of it.

`keep` writes an invitation down, so that it is on the disk when it returns; `forget` removes one. So an invitation that was used
or burnt is that after any crash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Final

from appliance.errors import ApplianceError, LocalFault
from appliance.members.invitation import Invitation, State
from appliance.members.proof import Bound, Claim, joiner_proof
from appliance.protocol.digests import bytes_eq

MOST_OPEN: Final = 256
"""Open invitations at a time."""
MOST_KEPT: Final = 1024
"""Invitations altogether. Of those that ended the oldest go first."""
KEPT_SECONDS: Final = 30 * 86_400
"""How long one is kept after its time, so that an admin can see what became of it."""


class Verdict(StrEnum):
    """About a claim. A stranger hears none of these, only whether there is an answer."""

    GOOD = "good"
    MALFORMED = "malformed"
    """It is no claim."""
    OTHER_SESSION = "other-session"
    """It was made for another session with the same newcomer, which has been replaced."""
    UNKNOWN = "unknown"
    """No invitation has this number: a wrong guess, or one that was forgotten."""
    WRONG = "wrong"
    """The proof is none. The invitation is burnt."""
    SPOILT = "spoilt"
    """The proof is none, and a member has passed it on, who may have spoilt it. The invitation is as before."""
    EXPIRED = "expired"
    USED = "used"
    BURNT = "burnt"
    REVOKED = "revoked"


_OF_STATE: Final = {
    State.USED: Verdict.USED,
    State.EXPIRED: Verdict.EXPIRED,
    State.BURNT: Verdict.BURNT,
    State.REVOKED: Verdict.REVOKED,
}


class Invitations:
    """The invitations of a member. `counters` has how often each verdict was given."""

    def __init__(
        self, keep: Callable[[Invitation], None], forget: Callable[[Invitation], None], kept: Iterable[Invitation] = ()
    ) -> None:
        """`kept`: what `keep` wrote before."""
        self._keep = keep
        self._forget = forget
        self._all = {invitation.number: invitation for invitation in sorted(kept, key=lambda one: one.made)}
        self.counters: Counter[Verdict] = Counter()

    def __iter__(self) -> Iterator[Invitation]:
        return iter(list(self._all.values()))

    def add(self, invitation: Invitation, now: int) -> None:
        """Let newcomers use it from now on. Raises ApplianceError when as many are open as may be; what `keep` raises."""
        ended = [one for one in self._all.values() if one.state(now) is not State.OPEN]
        if len(self._all) - len(ended) >= MOST_OPEN:
            raise ApplianceError(
                f"{MOST_OPEN} invitations are open, and there may not be more",
                hint="take some back: appliance network invitations --revoke NUMBER",
            )
        old = [one for one in ended if now - one.expires > KEPT_SECONDS]
        for one in {one.number: one for one in (*old, *ended[: max(0, len(self._all) + 1 - MOST_KEPT)])}.values():
            self._forget(one)
            del self._all[one.number]
        self._put(invitation)

    def revoke(self, number: bytes) -> Invitation | None:
        """Take an invitation back. None: there is no such one. What it was used for stays."""
        found = self._all.get(number)
        if found is None:
            return None
        if found.ended is None:
            found = found.with_end(State.REVOKED)
            self._put(found)
        return found

    def judge(self, claim: Claim | None, bound: Bound, now: int) -> tuple[Verdict, Invitation | None]:
        """May this newcomer use an invitation? A newcomer that has used it may again, for the same certificate, until it expires.

        A proof that is none burns the invitation whose number it came with, unless a member has passed it on: that one sees the
        number, and could end invitations that are not its own. To guess 32 bytes helps it no more than anybody.
        """
        verdict, found = self._judged(claim, bound, now)
        self.counters[verdict] += 1
        return verdict, found

    def _judged(self, claim: Claim | None, bound: Bound, now: int) -> tuple[Verdict, Invitation | None]:
        if claim is None:
            return Verdict.MALFORMED, None
        if claim.session != bound.session:
            return Verdict.OTHER_SESSION, None
        found = self._all.get(claim.number)
        if found is None:
            return Verdict.UNKNOWN, None
        state = found.state(now)
        if not bytes_eq(claim.proof, joiner_proof(found.key, bound)):
            if bound.by:
                return Verdict.SPOILT, found
            if state is State.OPEN:
                self._all[found.number] = found.with_end(State.BURNT)  # even if it cannot be written
                self._put(self._all[found.number])
            return Verdict.WRONG, found
        if state is State.USED and bound.joiner in found.issued:
            return (Verdict.GOOD if now < found.expires else Verdict.EXPIRED), found
        return _OF_STATE.get(state, Verdict.GOOD), found

    def issued(self, invitation: Invitation, identity: str, certificate: bytes) -> Invitation:
        """This newcomer gets this certificate: written down when it returns. Raises what `keep` raises, and nothing has changed
        then; LocalFault for an invitation that has none to give."""
        current = self._all.get(invitation.number)
        if current is None or current.ended is not None or len(current.issued) >= current.uses or identity in current.issued:
            raise LocalFault("the invitation is not open")
        self._put(current.with_issued(identity, certificate))
        return self._all[invitation.number]

    def _put(self, invitation: Invitation) -> None:
        self._keep(invitation)
        self._all[invitation.number] = invitation
