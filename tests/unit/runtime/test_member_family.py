"""Nodes prove to each other that they are members, pass on who is no more, and believe nobody else: in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.members.network import NetworkKey
from appliance.members.statement import StatementRefused
from appliance.members.trust import Taken
from appliance.testing.pair import identity_of
from tests.rigs.meshed import Meshed, silent
from tests.unit.members.signed import DAY, certificate, grants, identity, issuer, revocation

SERVER, LAPTOP, PHONE = "198.51.100.1", "203.0.113.2", "192.0.2.3"


@pytest.fixture
async def meshed(tmp_path: Path) -> AsyncIterator[Meshed]:
    """Nodes that begin when they are added."""
    made = Meshed(tmp_path)
    yield made
    await made.close()


def of(name: str, number: int, **words: object) -> object:
    return certificate(name, grants=grants(f"10.7.0.{number}"), not_after=1_800_000_000 + 300 * DAY, **words)


CALLS_SERVER = [("server", SERVER)]


async def test_two_strangers_become_members_by_what_they_show(meshed: Meshed) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=CALLS_SERVER)
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 5.0)
    assert [str(prefix) for prefix in server.peers.table.get("laptop").allowed] == ["10.7.0.2/32"]  # type: ignore[union-attr]
    await meshed.pause(20.0)
    assert (server.node.strangers, laptop.node.strangers) == ((), ())
    assert len(server.node.sessions) == len(laptop.node.sessions) == 1


async def test_a_node_that_is_known_proves_itself_to_who_does_not_know_it(meshed: Meshed) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), of("server", 1), first=CALLS_SERVER)
    await meshed.until(lambda: server.connected() == ["laptop"], 5.0)
    await meshed.pause(20.0)
    assert laptop.connected() == ["server"]
    assert laptop.mesh.counters["proved"] == 0, "it had nothing to ask"


async def test_what_an_issuer_signed_is_shown_with_its_certificate(meshed: Meshed) -> None:
    signer = issuer(grants=grants("10.7.0.9"), not_after=1_800_000_000 + 300 * DAY)
    mine = certificate("laptop", by=identity_of("issuer"), grants=grants("10.7.0.2"))
    server = await meshed.add("server", SERVER, of("server", 1))
    await meshed.add("laptop", LAPTOP, signer, mine, first=CALLS_SERVER)
    await meshed.until(lambda: server.connected() == ["laptop"], 5.0)
    assert server.knows() == ["issuer", "laptop"]


@pytest.mark.parametrize(
    "shown",
    [
        certificate("laptop", by=identity_of("thief"), network=NetworkKey(identity_of("thief").public.encoded)),
        certificate("somebody", grants=grants("10.7.0.2")),
        certificate("laptop", grants=grants("10.7.0.2"), not_before=1_800_000_000 - 9 * DAY, not_after=1_800_000_000 + 10),
    ],
    ids=["another network", "of another node", "expired"],
)
async def test_who_is_no_member_gets_nothing(meshed: Meshed, shown: object) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=CALLS_SERVER)
    laptop.mesh.trust.proof_of = lambda _identity: len(shown.encoded).to_bytes(2, "big") + shown.encoded  # type: ignore[attr-defined, method-assign]
    await meshed.until(lambda: server.mesh.counters["not-proved"] > 0, 10.0)
    await meshed.pause(10.0)
    assert (server.connected(), "laptop" in server.knows()) == ([], False)
    assert all(not session.proved for session in server.node.sessions.values())


async def test_bytes_of_a_stranger_are_refused_and_counted(meshed: Meshed) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=CALLS_SERVER)
    for nonsense in (b"", b"\xff\xff", b"\0\1x", bytes(9000)):
        laptop.mesh.trust.proof_of = lambda _identity, told=nonsense: told  # type: ignore[misc, method-assign]
        before = server.mesh.counters["not-proved"]
        await meshed.until(lambda before=before: server.mesh.counters["not-proved"] > before, 60.0)  # type: ignore[misc]
    assert server.knows() == []


async def test_a_removal_ends_the_session_everywhere_and_is_kept(meshed: Meshed) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=CALLS_SERVER)
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 10.0)
    phone = await meshed.add("phone", PHONE, of("phone", 3), first=CALLS_SERVER)
    await meshed.until(lambda: server.connected() == ["laptop", "phone"], 10.0)
    await meshed.until(lambda: "phone" in laptop.knows(), 10.0)
    assert laptop.mesh.take(revocation("phone").encoded) is Taken.NEW
    await meshed.until(lambda: server.knows() == ["laptop"], 5.0)
    assert laptop.knows() == ["server"]
    await meshed.until(lambda: "was removed" in phone.mesh.problem, 30.0)
    calls = phone.node.counters["initiated"]
    await meshed.pause(30.0)
    assert (server.connected(), phone.knows()) == (["laptop"], [])
    assert phone.node.counters["initiated"] == calls, "it knows that nobody takes it for a member"
    await server.runtime.mesh.kept.write()
    assert server.folder.trust(server.mesh.now()).revoked(identity("phone"))


async def test_a_node_that_was_away_learns_who_was_removed_before_anything_else(meshed: Meshed) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), of("phone", 3), first=CALLS_SERVER)
    await meshed.until(lambda: server.connected() == ["laptop"], 10.0)
    with silent(laptop):
        await meshed.pause(90.0)
        for number in range(7):
            server.mesh.take(revocation("phone" if not number else f"gone{number}", serial=100 + number).encoded)
        await meshed.pause(5.0)
        assert "phone" in laptop.knows()
    await meshed.until(lambda: laptop.knows() == ["server"], 60.0)
    await meshed.until(lambda: len(laptop.mesh.removals()) == 7, 30.0)


async def test_a_fraud_is_told_as_its_proof(meshed: Meshed) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=CALLS_SERVER)
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 10.0)
    signer = issuer(grants=grants("10.7.0.9"))
    one, other = (certificate(name, by=identity_of("issuer"), of="x", serial=7, grants=grants("10.7.0.8")) for name in ("x", "y"))
    for statement in (signer, one, other):
        laptop.mesh.take(statement.encoded)
    await meshed.until(lambda: len(server.mesh.trust.frauds()) == 1, 10.0)


async def test_a_newer_certificate_takes_the_place_of_the_older_one(meshed: Meshed) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=CALLS_SERVER)
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 10.0)
    newer = of("laptop", 22, serial=999, since=1_800_000_000, not_before=1_800_000_001)
    assert laptop.mesh.take(newer.encoded) is Taken.NEW  # type: ignore[attr-defined]
    assert laptop.certificates_changed == 1
    await meshed.until(lambda: str(server.peers.table.get("laptop").allowed[0]) == "10.7.0.22/32", 5.0)  # type: ignore[union-attr]
    assert server.connected() == ["laptop"], "its session went on"


async def test_names_are_looked_up_and_who_does_not_answer_is_called_again(meshed: Meshed) -> None:
    first = [("server", "server.example")]
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=first)
    await meshed.pause(20.0)
    assert laptop.connected() == []
    server = await meshed.add("server", SERVER, of("server", 1))
    await meshed.until(lambda: server.connected() == ["laptop"], 60.0)


async def test_a_node_without_a_good_certificate_shows_nothing(meshed: Meshed) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, first=CALLS_SERVER)
    await meshed.pause(30.0)
    assert "no certificate" in laptop.mesh.problem
    assert (server.knows(), server.node.counters["answered"]) == ([], 0)
    with pytest.raises(StatementRefused):
        laptop.mesh.take(b"nonsense")


async def test_a_peer_of_the_profile_may_be_the_member_to_begin_with(meshed: Meshed) -> None:
    static = {"name": "hub", "identity": identity("server"), "endpoints": [f"udp://{SERVER}:8443"], "allowed": ["10.9.0.1/32"]}
    server = await meshed.add("server", SERVER, of("server", 1), of("phone", 3))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=CALLS_SERVER, peers=[static])
    await meshed.until(lambda: identity("server") in laptop.mesh.members(), 30.0)
    await meshed.until(lambda: server.connected() == ["laptop"], 30.0)
    assert [str(prefix) for prefix in laptop.peers.table.get("hub").allowed] == ["10.9.0.1/32"], "as the profile says"  # type: ignore[union-attr]


@pytest.mark.parametrize("seconds", [3.0, 20.0, 45.0, 70.0])
async def test_after_an_outage_a_removal_arrives_within_ten_seconds(meshed: Meshed, seconds: float) -> None:
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), of("phone", 3), first=CALLS_SERVER)
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 10.0)
    with silent(laptop):
        server.mesh.take(revocation("phone").encoded)
        await meshed.pause(seconds)
        assert "phone" in laptop.knows()
    await meshed.until(lambda: laptop.knows() == ["server"], 10.0)
