"""Statements that nobody sane would sign, drawn at random: nodes that tell each other what they know agree all the same.

Signatures are left out here, so that thousands of statements can be drawn; what a signer says is what counts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.members.scope import Scope
from appliance.members.statement import StatementRefused
from appliance.members.trust import Trust
from appliance.protocol.identity import SIGNATURE_BYTES, PublicIdentity
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NETWORK, NOW, OWNER, WIDE, certificate, grants, identity, revocation


class Unsigned:
    """Whoever this is signs with zeros."""

    def __init__(self, public: PublicIdentity) -> None:
        self.public = public

    def sign(self, _message: bytes) -> bytes:
        return bytes(SIGNATURE_BYTES)


SIGNERS = {name: Unsigned(identity_of(name).public) for name in ("one", "two")} | {"owner": Unsigned(OWNER.public)}
NODES = ("one", "two", "a", "b")
NONE = grants()
GIVEN = (NONE, grants("10.7.0.1"), grants("10.7.0.1", "10.7.0.2"), grants(prefixes=("10.7.0.0/30",)), grants(tags=("root",)))
SCOPES: tuple[Scope | None, ...] = (None, WIDE, replace(WIDE, addresses=()), replace(WIDE, lifetime=DAY, any_tag=True))
SMALL = st.integers(0, 3)


@st.composite
def certificates(draw: st.DrawFn) -> Any:
    by = draw(st.sampled_from(["owner", "owner", "one", "two"]))
    of = draw(st.sampled_from(NODES))
    begins = NOW + draw(SMALL)
    return certificate(
        draw(st.sampled_from(["x", "y", of])),
        SIGNERS[by],  # type: ignore[arg-type]
        of=of,
        serial=draw(st.integers(0, 9)),
        epoch=draw(st.integers(0, 2)),
        since=begins - draw(SMALL),
        not_before=begins,
        not_after=NOW + DAY * draw(st.integers(1, 3)),
        grants=draw(st.sampled_from(GIVEN)),
        scope=draw(st.sampled_from(SCOPES)) if by == "owner" and of in SIGNERS else None,
    )


@st.composite
def removals(draw: st.DrawFn, digests: list[bytes]) -> Any:
    by = draw(st.sampled_from(["owner", "owner", "one", "two"]))
    keeps = draw(st.lists(st.sampled_from(digests), max_size=3)) if by == "owner" and digests else []
    return revocation(
        *draw(st.lists(st.sampled_from(NODES), min_size=1, max_size=2)),
        by=SIGNERS[by],  # type: ignore[arg-type]
        serial=draw(st.integers(0, 9)),
        epoch=draw(st.integers(0, 2)),
        at=NOW + draw(SMALL),
        keeps=keeps,
    )


@st.composite
def talk(draw: st.DrawFn) -> list[bytes]:
    said = draw(st.lists(certificates(), min_size=1, max_size=10))
    said += draw(st.lists(removals([each.digest for each in said]), max_size=4))
    return [each.encoded for each in said]


def hear(trust: Trust, statements: list[bytes]) -> None:
    before = -1
    while before != trust.changes:
        before = trust.changes
        for each in statements:
            with suppress(StatementRefused):
                trust.take(each, NOW)


def told(trust: Trust) -> list[bytes]:
    return [each.encoded for each in trust.statements()]


def seen(trust: Trust) -> object:
    members = [{who: each.digest for who, each in trust.members(NOW + days * DAY).items()} for days in range(3)]
    return {each.digest for each in trust.statements()}, members


@pytest.fixture
def unverified(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setattr(PublicIdentity, "verify", lambda *_: None)
    return lambda: None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.usefixtures("unverified")
def test_nodes_agree_whatever_was_signed(data: st.DataObject) -> None:
    said = data.draw(talk())
    first, second = Trust(NETWORK), Trust(NETWORK)
    for trust in (first, second):
        hear(trust, data.draw(st.permutations(said)))
    for _ in range(3):
        hear(first, told(second))
        hear(second, told(first))
    assert seen(first) == seen(second)
    newcomer = Trust(NETWORK)
    hear(newcomer, told(first))
    assert seen(newcomer)[1] == seen(first)[1]  # type: ignore[index]
    assert identity("a") not in first.members(NOW) or not first.revoked(identity("a"))
