"""Who is a meeting place stands in certificates."""

from __future__ import annotations

from appliance.knowledge.rendezvous.who import ByCertificates
from appliance.members.network import digest_of_text
from tests.unit.members.signed import DAY, NOW, certificate, grants, identity, revocation, trusting


def test_those_whose_certificates_say_so_and_for_as_long() -> None:
    roles = ("rendezvous", "relay")
    trust = trusting(
        certificate("a", grants=grants("10.7.0.1", roles=roles)),
        certificate("b", grants=grants("10.7.0.2", roles=("relay",))),
        certificate("c", grants=grants("10.7.0.3", roles=roles), not_after=NOW + DAY),
    )
    who = ByCertificates(trust)
    a, b, c = (digest_of_text(identity(name)) for name in "abc")
    assert set(who.keys(NOW)) == {a, b, c}
    assert who.places(NOW) == {a, c}
    assert who.places(NOW) is who.places(NOW)
    assert who.places(NOW + DAY) == {a}
    trust.take(revocation("a", at=NOW + DAY).encoded, NOW + DAY)
    assert who.places(NOW + DAY) == frozenset()
