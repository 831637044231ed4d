from __future__ import annotations

from appliance.members.certified import Certified
from appliance.members.trust import Trust
from appliance.testing.pair import identity_of
from tests.unit.members.signed import NETWORK, NOW, certificate, revocation


def test_members_are_known_by_their_digests() -> None:
    found = Certified(Trust(NETWORK))
    assert found.keys(NOW) == {}
    statements = [certificate(name).encoded for name in ("a", "b")]
    for each in statements:
        found.take(each, NOW + 0.5)
    keys = found.keys(NOW + 0.5)
    assert keys == {identity_of(name).public.digest: identity_of(name).public.encoded[:32] for name in ("a", "b")}
    assert found.keys(NOW + 1.0) is keys
    assert set(found.statements()) == set(statements)
    found.take(revocation("a").encoded, NOW)
    assert found.keys(NOW) == {identity_of("b").public.digest: identity_of("b").public.encoded[:32]}
