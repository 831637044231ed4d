from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance.api.values import Endpoint
from appliance.errors import ApplianceError
from appliance.members.certificate import Certificate, pack_proof
from appliance.members.code import Contact
from appliance.members.enrolment import About, EnrolmentFailed
from appliance.members.network import NetworkKey
from appliance.runtime.joined import Joined, files_made, folder_for, write_note
from appliance.runtime.joining import Told
from appliance.runtime.members.network_folder import NetworkFolder
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NETWORK, NOW, certificate, identity, issuer, names

HUB = Contact(identity("hub"), (Endpoint.parse("udp://198.51.100.7:8443"),))
ABOUT = About(NETWORK.encoded, "home", (HUB,))
LAPTOP = identity("laptop")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "kept"))


def told(*certificates: Certificate, about: About = ABOUT) -> Told:
    return Told(about, pack_proof(each.encoded for each in certificates))


def joined(answer: Told, now: int = NOW) -> Joined:
    return Joined(answer, LAPTOP, folder_for(answer.about, None), now)


def test_what_was_told_is_verified_and_kept() -> None:
    one = joined(told(issuer(), certificate("laptop", by=identity_of("issuer"))))
    assert one.certificate.name == "laptop"
    with ExitStack() as undo:
        one.keep(undo)
        undo.pop_all()
    assert names(NetworkFolder.of("home").trust(NOW)) == ["issuer", "laptop"]
    text = one.profile_text(None, Path("/etc/appliance/identity"))
    assert f'network: "{NETWORK.fingerprint}"' in text
    assert HUB.identity in text


def test_of_the_members_to_call_a_profile_names_those_that_can_be_called_each_once() -> None:
    many = Contact(HUB.identity, (*HUB.endpoints, Endpoint.parse("pigeon://loft")))
    bootstrap = (many, many, Contact(identity("far"), (Endpoint.parse("pigeon://loft"),)), Contact(LAPTOP, HUB.endpoints))
    one = joined(told(certificate("laptop"), about=ABOUT._replace(bootstrap=bootstrap)))
    text = one.profile_text(None, Path("/etc/appliance/identity"))
    assert text.count(HUB.identity) == text.count("- identity:") == 1
    assert "pigeon" not in text


def test_what_fails_later_takes_all_back(tmp_path: Path) -> None:
    with ExitStack() as undo:
        joined(told(certificate("laptop"))).keep(undo)
        assert (tmp_path / "kept" / "mesh-home").exists()
    assert not (tmp_path / "kept" / "mesh-home").exists()


def test_of_a_network_that_is_here_already_nothing_is_lost() -> None:
    folder = NetworkFolder.of("home")
    folder.make()
    folder.keep_network(NETWORK)
    folder.keep_statements([certificate("desk").encoded])
    before = folder.statements()
    with ExitStack() as undo:
        joined(told(certificate("laptop"))).keep(undo)
        assert names(folder.trust(NOW)) == ["desk", "laptop"]
    assert folder.statements() == before


def test_a_code_that_is_used_again_takes_nothing_from_a_certificate_that_was_renewed() -> None:
    folder = NetworkFolder.of("home")
    folder.make()
    folder.keep_network(NETWORK)
    renewed = certificate("laptop", not_before=NOW + 9 * DAY, not_after=NOW + 39 * DAY, since=NOW, serial=1)
    folder.keep_statements([renewed.encoded])
    before = folder.statements()
    with ExitStack() as undo:
        joined(told(certificate("laptop")), now=NOW + 10 * DAY).keep(undo)
        undo.pop_all()
    assert folder.statements() == before


@pytest.mark.parametrize(
    "certificates",
    [
        (certificate("laptop", of="mallory"),),
        (certificate("laptop", by=identity_of("mallory")),),
        (certificate("laptop", by=identity_of("issuer")),),
        (certificate("laptop", not_before=NOW - 2 * DAY, not_after=NOW - DAY),),
        (certificate("laptop", not_before=NOW + DAY, not_after=NOW + 2 * DAY),),
        (certificate("laptop", network=NetworkKey(identity_of("mallory").public.encoded), by=identity_of("mallory")),),
    ],
    ids=["of-another", "by-a-stranger", "without-its-issuer", "expired", "not-yet", "foreign-network"],
)
def test_what_is_not_good_is_refused_with_a_hint(certificates: tuple[Certificate, ...]) -> None:
    with pytest.raises(EnrolmentFailed) as caught:
        joined(told(*certificates))
    assert caught.value.hint


@pytest.mark.parametrize("proof", [b"", b"\xff\xff", b"\0\5short", bytes(5000)])
def test_no_proof_is_none(proof: bytes) -> None:
    with pytest.raises(EnrolmentFailed):
        joined(Told(ABOUT, proof))


def test_another_network_does_not_take_the_place_of_one(tmp_path: Path) -> None:
    folder = NetworkFolder.of("home")
    folder.make()
    folder.keep_network(NetworkKey(identity_of("mallory").public.encoded))
    with pytest.raises(ApplianceError, match="another network that is called home") as caught:
        folder_for(ABOUT, None)
    assert "--label" in caught.value.hint
    assert folder_for(ABOUT, "work").path == tmp_path / "kept" / "mesh-work"


def test_what_somebody_changed_since_is_told_from_what_join_wrote(tmp_path: Path) -> None:
    folder = NetworkFolder.of("home")
    folder.make()
    assert files_made(folder) == {}
    same, edited, gone = (tmp_path / name for name in ("same", "edited", "gone"))
    for path in (same, edited, gone):
        path.write_text("as made")
    write_note(folder, [same, edited, gone])
    edited.write_text("by hand")
    gone.unlink()
    assert files_made(folder) == {same: True, edited: False}
    (folder.path / "joined.json").write_text("[")
    assert files_made(folder) == {}
