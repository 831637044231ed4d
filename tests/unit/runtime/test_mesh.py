"""What a mesh does with members that the table of peers does not take, and with what others write into its folder."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from appliance.api.values import Endpoint
from appliance.errors import ApplianceError
from appliance.members.parcel import pack_parcel
from appliance.runtime.members import mesh as module
from appliance.runtime.members.asked import peers, take_statements
from appliance.testing.pair import identity_of
from tests.rigs.meshed import Meshed, MeshedHost
from tests.unit.members.signed import DAY, NETWORK, NOW, certificate, grants, issuer, revocation


def host(tmp_path: Path, *names: str, **words: object) -> MeshedHost:
    """A node that knows these members, itself first."""
    statements = [
        certificate(name, grants=grants(f"10.7.0.{number}"), not_after=NOW + 300 * DAY).encoded
        for number, name in enumerate(names, 1)
    ]
    made = MeshedHost(Meshed(tmp_path).network, tmp_path, names[0], "198.51.100.1", statements, **words)  # type: ignore[arg-type]
    made.mesh.apply()
    return made


def static(name: str, allowed: str, identity: str = "") -> dict[str, object]:
    return {"name": name, "identity": identity_of(identity or name).fingerprint, "allowed": [allowed]}


async def test_a_member_that_clashes_with_a_peer_of_the_profile_is_shown_and_no_peer(tmp_path: Path) -> None:
    made = host(tmp_path, "own", "a", "b", "c", peers=[static("a", "10.9.0.1/32"), static("x", "10.7.0.3/32")])
    assert made.knows() == ["a", "c", "x"]
    taken = {made.mesh.members()[identity].name: why.reason for identity, why in made.mesh.taken_in.refused.items()}
    assert taken == {"b": "prefix-taken"}, "a is a peer of the profile itself, and what that says counts"
    shown = {peer["name"]: peer for peer in peers(made.peers.table, made.node, made.runtime, {})}
    assert "overlaps one of peer 'x'" in shown["b"]["not_taken"]
    assert [shown[name]["origin"] for name in ("a", "c")] == ["profile", "member"]


async def test_a_member_takes_its_place_when_the_profile_makes_room(tmp_path: Path) -> None:
    made = host(tmp_path, "own", "b", peers=[static("x", "10.7.0.2/32")])
    assert made.knows() == ["x"]
    made.peers.use_profile([], (), made.profile.mesh.overlay if made.profile.mesh else ())
    made.mesh.use(made.profile)
    assert (made.knows(), made.mesh.taken_in.refused) == (["b"], {})


async def test_how_a_member_is_reached_is_told_by_identity(tmp_path: Path) -> None:
    made = host(tmp_path, "own", "b")
    identity, at = identity_of("b").fingerprint, (Endpoint("udp", "203.0.113.1", 8443),)
    made.mesh.reach(identity, at)
    assert (made.node.peers["b"].endpoints, made.node.pending) == (at, 0), "known, and not called"
    made.mesh.reach(identity, alive=True)
    made.settle()
    assert (made.node.peers["b"].settings.keepalive, made.node.pending) == (10.0, 1)


async def test_what_commands_write_is_taken_over_and_nothing_is_lost(tmp_path: Path) -> None:
    made = host(tmp_path, "own", "b")
    with made.folder.changing(NOW + 1000) as trust:
        trust.take(certificate("late", grants=grants("10.7.0.9")).encoded, NOW + 1000)
    await made.mesh.kept.look()
    made.mesh.apply()
    assert made.knows() == ["b", "late"]
    with made.folder.changing(NOW + 1000) as trust:
        trust.take(revocation("late").encoded, NOW + 1000)
    made.mesh.take(certificate("new", grants=grants("10.7.0.10")).encoded)
    await made.mesh.kept.write()
    assert made.knows() == ["b", "new"]
    kept = made.folder.trust(NOW + 1000)
    assert sorted(each.name for each in kept.members(NOW + 1000).values()) == ["b", "new", "own"]


async def test_a_certificate_that_begins_later_stays_in_the_file(tmp_path: Path) -> None:
    made = host(tmp_path, "own")
    later = certificate("later", not_before=NOW + 90 * DAY, not_after=NOW + 91 * DAY)
    made.folder.keep_statements([*made.folder.statements(), later.encoded])
    await made.mesh.kept.write()
    assert later.encoded in made.folder.statements()


async def test_a_disk_that_takes_nothing_is_said_and_membership_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = host(tmp_path, "own", "b")

    def full(*_words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(made.folder, "keep_statements", full)
    made.mesh.take(revocation("b").encoded)
    await made.mesh.kept.write()
    assert made.knows() == []
    assert "No space left on device" in made.mesh.problem
    monkeypatch.undo()
    await made.mesh.kept.write()
    assert made.mesh.problem == ""


async def test_an_admin_hands_over_statements(tmp_path: Path) -> None:
    made = host(tmp_path, "own", "b")
    body = pack_parcel([revocation("b").encoded, revocation("b").encoded, b"nonsense"])
    answer = await take_statements(made.mesh, NETWORK.fingerprint, body)
    assert answer == {"new": 1, "known": 1, "refused": {"malformed": 1}}
    assert made.knows() == []
    for mesh, network, sent in (
        (made.mesh, "llpn1:other", body),
        (None, NETWORK.fingerprint, body),
        (made.mesh, NETWORK.fingerprint, b"\xff"),
    ):
        with pytest.raises(ApplianceError):
            await take_statements(mesh, network, sent)


async def test_members_that_change_places_are_all_taken(tmp_path: Path) -> None:
    made = host(tmp_path, "own", "b", "c")
    later = {"not_before": NOW + 1, "not_after": NOW + 300 * DAY, "since": NOW}
    for name, number in (("b", 3), ("c", 2)):
        made.mesh.trust.take(
            certificate(name, grants=grants(f"10.7.0.{number}"), serial=900 + number, **later).encoded, NOW + 1000
        )
    made.mesh.apply()
    assert made.mesh.taken_in.refused == {}
    assert {entry.name: str(entry.allowed[0]) for entry in made.peers.table} == {"b": "10.7.0.3/32", "c": "10.7.0.2/32"}


async def test_certificates_that_come_in_a_row_are_judged_together(tmp_path: Path) -> None:
    made = host(tmp_path, "own")
    judged: list[list[str]] = []
    made.mesh.changed.append(lambda: judged.append(made.knows()))
    for number in range(20, 30):
        made.mesh.take_all([certificate(f"m{number}", grants=grants(f"10.7.0.{number}")).encoded])
    assert judged == []
    await asyncio.sleep(0)
    made.network.run(1.0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert judged == [[f"m{number}" for number in range(20, 30)]]
    made.mesh.take_all([revocation("m20").encoded])
    assert judged[-1] == [f"m{number}" for number in range(21, 30)], "a removal waits for nothing"


async def turns(work: Awaitable[object], figure: Callable[[], int]) -> list[int]:
    """By how much the figure grows in each turn of the loop until `work` is done, where it grows."""
    task, seen = asyncio.ensure_future(work), [figure()]
    while not task.done():
        await asyncio.sleep(0)
        seen.append(figure())
    await task
    return [after - before for before, after in itertools.pairwise(seen) if after != before]


async def test_many_members_become_peers_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PUT_AT_ONCE", 8)
    made = host(tmp_path, "own", *(f"m{number}" for number in range(30)))
    assert len(made.knows()) == 8
    assert await turns(made.mesh.applied(), lambda: len(made.knows())) == [8, 8, 6]
    told: list[int] = []
    made.mesh.changed.append(lambda: told.append(len(made.knows())))
    made.mesh.take(revocation("own").encoded)
    assert (made.knows(), told) == ([], [0]), "who is no member any more is out at once"


async def test_who_calls_while_many_come_does_not_wait_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PUT_AT_ONCE", 2)
    made = host(tmp_path, "own", "a", "b", "c", "d", "e")
    (waiting, *_) = sorted({"a", "b", "c", "d", "e"} - set(made.knows()))
    made.mesh.let_in(identity_of(waiting).fingerprint)
    assert waiting in made.knows()
    assert len(made.knows()) == 3
    await made.mesh.applied()
    assert made.knows() == ["a", "b", "c", "d", "e"]


async def test_a_removal_among_many_that_come_waits_for_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PUT_AT_ONCE", 8)
    made = host(tmp_path, "own", *(f"m{number}" for number in range(30)))
    gone = made.knows()[0]
    made.mesh.take(revocation(gone).encoded)
    assert gone not in made.knows()
    await made.mesh.applied()
    assert made.knows() == sorted({f"m{number}" for number in range(30)} - {gone})


async def test_many_statements_from_the_disk_are_verified_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAKEN_AT_ONCE", 4)
    made = host(tmp_path, "own")
    new = [certificate(f"m{number}", grants=grants(f"10.7.0.{number}")).encoded for number in range(20, 30)]
    made.folder.keep_statements([*made.folder.statements(), *new])
    assert await turns(made.mesh.kept.look(), lambda: made.mesh.trust.verified) == [4, 4, 2]


async def test_a_node_that_stops_while_it_reads_many_statements_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAKEN_AT_ONCE", 2)
    made = host(tmp_path, "own")
    new = [certificate(f"m{number}", grants=grants(f"10.7.0.{number}")).encoded for number in range(20, 30)]
    made.folder.keep_statements([*made.folder.statements(), *new])
    reading = asyncio.ensure_future(made.mesh.kept.look())
    while made.mesh.trust.verified < 4:  # noqa: ASYNC110  nobody tells of it
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    await made.mesh.kept.close()
    assert set(new) <= set(made.folder.statements())


async def test_a_signer_that_lied_is_told_of_and_the_proof_goes_to_others(tmp_path: Path) -> None:
    made = host(tmp_path, "own")
    told: list[bytes] = []
    made.mesh.spread.append(lambda statement, _source: told.append(statement))
    liar = identity_of("issuer")
    for each in (issuer(), certificate("a", liar, serial=1), certificate("b", liar, serial=1)):
        made.mesh.take(each.encoded)
    assert made.knows() == ["issuer"]
    assert made.mesh.status()["frauds"] == [liar.fingerprint]
    assert [each.encoded for each in made.mesh.trust.frauds()] == told[-1:]
