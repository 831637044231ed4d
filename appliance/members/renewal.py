"""When a certificate is renewed without a person: in the last third of its time, by whoever may sign it, for as long as it was
valid before. A final one never is, and an issuer's own only by the owner's key."""

from __future__ import annotations

from typing import Final

from appliance.members.certificate import Certificate
from appliance.members.issuing import CannotIssue
from appliance.members.signer import Signer
from appliance.members.trust import Trust

LAST_PART: Final = 3
"""Due in the last third: a node that is on every other month is renewed in time, if its certificate is for a year."""


def is_due(trust: Trust, identity: str, now: int) -> bool:
    """Does this member need another certificate?"""
    current = trust.members(now).get(identity)
    if current is None or current.final:
        return False
    last = _last(trust, current, now)
    return (trust.ends_at(last) - now) * LAST_PART < last.not_after - last.not_before


def renewed(trust: Trust, signer: Signer, identity: str, now: int) -> Certificate:
    """Another certificate for this member. Raises CannotIssue if it needs none, or may get none from this signer."""
    current = trust.members(now).get(identity)
    if current is None or not is_due(trust, identity, now):
        raise CannotIssue("its certificate is not to be renewed now", hint="a person may: appliance network renew NAME")
    scope = signer.scope(now)
    lifetime = current.not_after - current.not_before
    end = now + lifetime
    if scope is not None:
        lifetime = min(lifetime, scope.lifetime)
        end = min(now + lifetime, trust.members(now)[signer.fingerprint].not_after)
    if end <= trust.ends_at(_last(trust, current, now)):  # else one that helps nobody would be made again and again
        raise CannotIssue("what this issuer can give would end sooner, or no later", hint="ask the owner")
    return signer.renew(current, now=now, lifetime=lifetime)


def _last(trust: Trust, current: Certificate, now: int) -> Certificate:
    """Of what it has the one that is valid longest: what an issuer renewed waits for the owner's to end."""
    valid = [each for each in trust.certificates(current.identity) if each.epoch >= current.epoch and each.is_valid(now)]
    return max((current, *valid), key=trust.ends_at)
