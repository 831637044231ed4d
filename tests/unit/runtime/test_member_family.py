"""Nodes prove to each other that they are members, pass on who is no more, and believe nobody else: in virtual time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.foundation import logging
from appliance.members.network import NetworkKey
from appliance.members.statement import Refusal, StatementRefused
from appliance.members.trust import Taken
from appliance.runtime.members.mesh_runtime import LOOK_EVERY
from appliance.testing.pair import identity_of
from tests.rigs.meshed import Meshed, silent
from tests.unit.members.signed import DAY, NETWORK, certificate, grants, identity, issuer, revocation

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


IN_1970 = DAY - 1_800_000_000.0
IN_TEN_YEARS = 3650.0 * DAY


async def test_a_node_that_starts_in_1970_is_a_member_all_the_same(meshed: Meshed) -> None:
    known = [of("laptop", 2), of("server", 1, not_before=1_800_000_000 + DAY)]
    meshed.network.clock.now += 9 * DAY
    server = await meshed.add("server", SERVER, *known)
    laptop = await meshed.add("laptop", LAPTOP, *known, first=CALLS_SERVER, clock_ahead=IN_1970)
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 10.0)
    assert laptop.mesh.problem == ""
    assert "clock says 1970-01-11, before this node's certificate of network home began" in laptop.runtime.problem
    assert "judged as of 2027-01-16" in laptop.runtime.problem
    await meshed.until(lambda: identity_of("server").public.digest in laptop.runtime.gossip.rows(), 60.0)
    session = next(iter(laptop.node.sessions))
    laptop.clock_ahead = 0.0
    await meshed.pause(LOOK_EVERY + 1.0)
    assert (laptop.runtime.problem, laptop.connected(), session in laptop.node.sessions) == ("", ["server"], True)
    assert len(laptop.folder.statements()) == 2


async def test_a_node_that_starts_before_it_joined_is_a_member_all_the_same(meshed: Meshed) -> None:
    meshed.network.clock.now += 90 * DAY
    known = [of("server", 1), of("laptop", 2, not_before=1_800_000_000 + 89 * DAY)]
    server = await meshed.add("server", SERVER, *known)
    laptop = await meshed.add("laptop", LAPTOP, *known, first=CALLS_SERVER, clock_ahead=-30.0 * DAY)
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 10.0)
    laptop.clock_ahead = 0.0
    await meshed.pause(LOOK_EVERY + 1.0)
    assert (laptop.runtime.problem, laptop.connected(), len(laptop.folder.statements())) == ("", ["server"], 2)


async def test_a_node_that_starts_years_ahead_has_its_members_when_its_clock_is_set(meshed: Meshed) -> None:
    known = [of("laptop", 2), of("server", 1)]
    server = await meshed.add("server", SERVER, *known)
    laptop = await meshed.add("laptop", LAPTOP, *known, first=CALLS_SERVER, clock_ahead=IN_TEN_YEARS)
    await meshed.pause(2 * LOOK_EVERY)
    assert laptop.knows() == []
    assert "valid now, 2037-01-12 by this host's clock" in laptop.runtime.problem
    laptop.clock_ahead = 0.0
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], LOOK_EVERY + 10.0)
    assert (laptop.runtime.problem, len(laptop.folder.statements())) == ("", 2)


@pytest.mark.parametrize("step", [IN_1970, IN_TEN_YEARS], ids=["to 1970", "by ten years"])
async def test_a_clock_that_is_set_wrong_and_right_again_leaves_all_as_it_was(meshed: Meshed, step: float) -> None:
    known = [of("laptop", 2), of("server", 1)]
    server = await meshed.add("server", SERVER, *known)
    laptop = await meshed.add("laptop", LAPTOP, *known, first=CALLS_SERVER)
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 10.0)
    for who in (laptop, server):
        who.clock_ahead = step
        await meshed.pause(2 * LOOK_EVERY)
        who.clock_ahead = 0.0
        await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], LOOK_EVERY + 30.0)
        assert (who.runtime.problem, len(who.folder.statements())) == ("", 2)


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


async def test_a_network_made_anew_while_it_was_parted_never_merges_with_the_first(
    meshed: Meshed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever is parted from the owner's key makes "home" once more, with another key; then the halves see each other again."""
    monkeypatch.setattr(logging, "_SEEN", OrderedDict())
    other = identity_of("second owner")
    anew = NetworkKey(other.public.encoded)
    first = {name: of(name, number) for number, name in enumerate(("server", "laptop"), 1)}
    second = {name: of(name, number, by=other, network=anew) for number, name in enumerate(("laptop", "phone"), 2)}
    server = await meshed.add("server", SERVER, first["server"], first["laptop"])
    with silent(server):
        laptop = await meshed.add("laptop", LAPTOP, second["laptop"], key=anew, first=CALLS_SERVER)
        phone = await meshed.add("phone", PHONE, second["phone"], key=anew, first=[*CALLS_SERVER, ("laptop", LAPTOP)])
        await meshed.until(lambda: laptop.connected() == ["phone"] and phone.connected() == ["laptop"], 30.0)
    await meshed.until(lambda: server.mesh.trust.refused[Refusal.FOREIGN_NETWORK] > 0, 60.0)
    await meshed.pause(300.0)
    assert (server.connected(), laptop.connected(), phone.connected()) == ([], ["phone"], ["laptop"])
    assert server.knows() == ["laptop"], "which has a certificate of the first network, too, and is not there"
    for host, key, known in ((server, NETWORK, 2), (laptop, anew, 2), (phone, anew, 2)):
        assert {each.network for each in host.mesh.trust.statements()} == {key.fingerprint}
        assert len(host.mesh.members()) == known
    assert server.node.strangers == ()
    said = {line.fields["reason"] for line in caplog.records if line.message == "a node is no member here"}  # type: ignore[attr-defined]
    assert said <= {
        "it is a member of another network, which may have the same label",
        "it does not take this node's certificate",
    }
    assert len(said) == 2, "each side says what it sees"


async def test_of_a_half_open_session_the_end_that_forgot_it_is_met_again(meshed: Meshed) -> None:
    """Killed and started again, with what was on its disk, or with its own certificate only; the other end goes on meanwhile."""
    server = await meshed.add("server", SERVER, of("server", 1))
    laptop = await meshed.add("laptop", LAPTOP, of("laptop", 2), first=CALLS_SERVER)
    for forgets in (server, laptop, server):
        await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 60.0)
        goes_on = laptop if forgets is server else server
        before = {each.session_id for each in goes_on.node.sessions.values()}
        forgets.host.kill()
        await forgets.runtime.close()
        await forgets.protocols.close()
        await meshed.pause(2.0)
        assert goes_on.connected() == [forgets.name], "it cannot know yet"
        if forgets is laptop:
            forgets.folder.keep_statements([of("laptop", 2).encoded])  # type: ignore[attr-defined]
        forgets.start()
        await forgets.begin()
        await meshed.until(lambda: bool({each.session_id for each in goes_on.node.sessions.values()} - before), 5.0)  # noqa: B023
    await meshed.until(lambda: laptop.connected() == ["server"] and server.connected() == ["laptop"], 5.0)
    await meshed.pause(90.0)
    for host in (server, laptop):
        assert len(host.node.sessions) == 1
        assert host.node.strangers == ()
