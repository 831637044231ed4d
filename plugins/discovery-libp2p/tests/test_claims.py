"""Who claims to be a peer of ours: the newest first, and of too many the oldest goes."""

from __future__ import annotations

from appliance.api.discovery import Candidate
from appliance.api.values import Endpoint
from appliance_discovery_libp2p.claims import MOST_CLAIMS, Claims
from appliance_discovery_libp2p.place import MOST_ENDPOINTS, Found


def at(*hosts: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint("udp", f"198.51.100.{host}", 8443) for host in hosts)


def test_the_newest_comes_first_and_what_nobody_claims_any_more_is_taken_back() -> None:
    claims = Claims(60.0)
    claims.claim("a", b"one", Found(at(1), 100.0))
    assert claims.news("a") == [Candidate("a", at(1)[0], 0, 60.0)]
    claims.claim("a", b"two", Found(at(2), 200.0))
    assert [(one.endpoint, one.priority) for one in claims.news("a")] == [(at(2)[0], 0), (at(1)[0], 1)]
    claims.claim("a", b"one", Found(at(3), 300.0))
    assert claims.news("a") == [
        Candidate("a", at(1)[0], 0, 0.0),
        Candidate("a", at(3)[0], 0, 60.0),
        Candidate("a", at(2)[0], 1, 60.0),
    ]


def test_an_older_claim_changes_nothing() -> None:
    claims = Claims(60.0)
    claims.claim("a", b"one", Found(at(1), 100.0))
    claims.claim("a", b"one", Found(at(2), 50.0))
    assert [one.endpoint for one in claims.news("a")] == list(at(1))


def test_claims_and_endpoints_are_bounded() -> None:
    claims = Claims(60.0)
    for number in range(100):
        claims.claim("a", b"%d" % number, Found(at(number, number + 100), float(number)))
    assert len(claims._claims["a"]) == MOST_CLAIMS
    assert [one.endpoint for one in claims.news("a")][:2] == list(at(99, 199))
    assert len([one for one in claims.news("a") if one.ttl]) == MOST_ENDPOINTS


def test_what_is_old_or_no_peers_any_more_is_forgotten() -> None:
    claims = Claims(60.0)
    claims.claim("a", b"one", Found(at(1), 100.0))
    claims.claim("a", b"two", Found(at(2), 200.0))
    claims.news("a")
    claims.expire("a", 150.0)
    assert [(one.endpoint, one.ttl) for one in claims.news("a")] == [(at(1)[0], 0.0), (at(2)[0], 60.0)]
    claims.forget("a")
    assert [(one.endpoint, one.ttl) for one in claims.news("a")] == [(at(2)[0], 0.0)]
    assert claims.news("a") == []
    claims.claim("b", b"one", Found(at(1), 1.0))
    claims.expire("b", 2.0)
    assert len(claims) == 0
