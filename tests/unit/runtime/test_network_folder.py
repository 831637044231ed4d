from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.errors import MissingPrivilege
from appliance.members.certificate import Certificate
from appliance.members.issuing import ClockWrong
from appliance.members.statement import StatementRefused
from appliance.protocol.identity import IdentityInvalid
from appliance.runtime.members.network_folder import NetworkFolder, NetworkMissing
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NETWORK, NOW, OWNER, certificate, issuer, names, revocation

ISSUER = identity_of("issuer")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NetworkFolder:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    made = NetworkFolder.of("home")
    made.make()
    return made


def test_what_was_kept_is_there_again(folder: NetworkFolder) -> None:
    by_issuer = certificate("laptop", by=identity_of("issuer"))
    folder.keep_network(NETWORK)
    folder.keep_owner(OWNER)
    folder.keep_statements(each.encoded for each in (issuer(), certificate("desk"), by_issuer))
    again = NetworkFolder.of("home")
    assert again.label == "home"
    assert again.network().fingerprint == NETWORK.fingerprint
    owner = again.owner()
    assert owner is not None
    assert NETWORK.is_of(owner)
    assert names(again.trust(NOW)) == ["desk", "issuer", "laptop"]
    assert [each.label for each in NetworkFolder.all()] == ["home"]


def test_only_the_nodes_user_reads_it(folder: NetworkFolder) -> None:
    folder.keep_network(NETWORK)
    folder.keep_owner(OWNER)
    folder.keep_statements([])
    for path in (folder.path, *folder.path.iterdir()):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


def test_a_network_that_is_not_here_is_said_and_looking_makes_nothing(tmp_path: Path) -> None:
    away = NetworkFolder(tmp_path / "mesh-away")
    with pytest.raises(NetworkMissing, match="not in a network away") as caught:
        away.trust(NOW)
    assert "appliance join" in caught.value.hint
    assert (away.owner(), away.statements()) == (None, [])
    assert not away.path.exists()


def test_what_is_damaged_is_said(folder: NetworkFolder) -> None:
    (folder.path / "network.pub").write_bytes(b"short")
    with pytest.raises(NetworkMissing, match="damaged"):
        folder.network()
    (folder.path / "owner.key").write_bytes(b"no key")
    with pytest.raises(IdentityInvalid, match=r"owner\.key"):
        folder.owner()


def test_statements_that_no_longer_count_or_are_cut_off_are_left_out(folder: NetworkFolder) -> None:
    folder.keep_network(NETWORK)
    old = certificate("old", not_before=NOW - 2000, not_after=NOW - 1000)
    folder.keep_statements([old.encoded, b"nonsense", certificate("desk").encoded, certificate("cut").encoded])
    whole = (folder.path / "statements").read_bytes()
    (folder.path / "statements").write_bytes(whole[:-1])
    assert names(folder.trust(NOW)) == ["desk"]


@pytest.mark.parametrize("wall", [DAY, NOW + 3650 * DAY], ids=["in 1970", "in ten years"])
def test_where_the_clock_is_wrong_all_of_it_is_in_mind_for_when_it_is_set(folder: NetworkFolder, wall: int) -> None:
    folder.keep_network(NETWORK)
    by_issuer = [certificate("laptop", by=ISSUER), certificate("gone", by=ISSUER)]
    removed = revocation("gone", by=ISSUER)
    folder.keep_statements(each.encoded for each in (issuer(), certificate("desk", not_before=NOW + DAY), *by_issuer, removed))
    trust = folder.trust(wall)
    assert (names(trust, wall), names(trust, NOW + DAY)) == ([], ["desk", "issuer", "laptop"])
    assert folder.lifetimes().time(DAY) == NOW + DAY


def test_a_clock_that_is_evidently_wrong_changes_nothing(folder: NetworkFolder) -> None:
    folder.keep_network(NETWORK)
    folder.keep_statements([certificate("desk").encoded])
    with pytest.raises(ClockWrong, match="says 1970-01-02, which is before") as caught, folder.changing(DAY):
        pytest.fail("nobody knows what counts")
    assert "timedatectl" in caught.value.hint
    assert names(folder.trust(NOW)) == ["desk"]


def test_who_may_not_read_it_hears_what_to_do(folder: NetworkFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(MissingPrivilege, match="may not read"):
        folder.network()


def add(folder: NetworkFolder, *certificates: Certificate) -> None:
    with folder.changing(NOW) as trust:
        for each in certificates:
            trust.take(each.encoded, NOW)


def test_changes_at_the_same_time_lose_nothing(folder: NetworkFolder) -> None:
    folder.keep_network(NETWORK)
    made = [certificate(f"n{number}", serial=number) for number in range(8)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda own: add(folder, own), made))
    assert names(folder.trust(NOW)) == sorted(each.name for each in made)


def test_a_change_that_fails_changes_nothing(folder: NetworkFolder) -> None:
    folder.keep_network(NETWORK)
    folder.keep_statements([certificate("desk").encoded])
    refused = certificate("phone", identity_of("stranger"))
    with pytest.raises(StatementRefused):
        add(folder, certificate("laptop"), refused)
    assert names(folder.trust(NOW)) == ["desk"]


def test_a_clock_that_is_wrong_for_a_while_takes_nothing_away(folder: NetworkFolder) -> None:
    folder.keep_network(NETWORK)
    folder.keep_statements([certificate("desk").encoded, certificate("lamp").encoded])
    much_later = NOW + 1000 * DAY
    with folder.changing(much_later) as trust:
        assert names(trust, much_later) == []
        later = certificate("later", not_before=much_later, not_after=much_later + DAY)
        trust.take(later.encoded, much_later)
    assert names(folder.trust(NOW)) == ["desk", "lamp"]
    assert names(folder.trust(much_later), much_later) == ["later"]


def test_a_certificate_that_has_ended_is_found_by_name(folder: NetworkFolder) -> None:
    folder.keep_network(NETWORK)
    ended = certificate("desk", ISSUER, not_after=NOW + DAY)
    forged = certificate("lamp", identity_of("stranger"), not_after=NOW + DAY)
    folder.keep_statements([issuer().encoded, ended.encoded, forged.encoded])
    assert folder.ended("desk", NOW) is None
    assert folder.ended("desk", NOW + DAY) == folder.ended(ended.identity, NOW + DAY) == ended
    assert folder.ended("lamp", NOW + DAY) is None
