"""`appliance join` and `leave`, with a member that answers at once: what is written, and what stays when it fails."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.api.values import Endpoint
from appliance.cli import entry
from appliance.foundation import clock, whole_files
from appliance.members.certificate import pack_proof
from appliance.members.code import Code, Contact, write_code
from appliance.members.enrolment import About, EnrolmentFailed
from appliance.protocol.identity import Identity
from appliance.runtime.joining import Told
from appliance.runtime.members.network_folder import NetworkFolder
from appliance.testing.pair import identity_of
from tests.unit.members.signed import NETWORK, OWNER, grants, sign_certificate

HUB = Contact(identity_of("hub").fingerprint, (Endpoint.parse("udp://198.51.100.7:8443"),))
CODE = write_code(Code(bytes(16), HUB))


class Answering:
    """In the place of the member that made the code."""

    def __init__(self) -> None:
        self.refuses = False
        self.asked: list[str] = []
        """Identities that wanted to join."""

    async def __call__(
        self, _code: Code, identity: Identity, progress: Callable[[str], None], agree: Callable[[About], object]
    ) -> Told:
        self.asked.append(identity.fingerprint)
        progress("calling")
        if self.refuses:
            raise EnrolmentFailed("the inviting node does not take this code", hint="ask for another")
        about = About(NETWORK.encoded, "home", (HUB,))
        agree(about)
        now = int(clock.wall())
        made = sign_certificate(
            OWNER,
            NETWORK,
            identity.public,
            name="laptop",
            serial=1,
            not_before=now,
            not_after=now + 9999,
            grants=grants("10.86.0.2", "fd00:86::2"),
        )
        return Told(about, pack_proof([made.encoded]))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answering:
    answering = Answering()
    monkeypatch.setattr("appliance.runtime.joining.ask_to_join", answering)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "kept"))
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    return answering


def join(folder: Path, *words: str) -> int:
    return entry.main(["join", CODE, "--profile", str(folder / "etc/profile.yaml"), *words])


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_host_that_joins_has_all_it_needs_and_one_that_leaves_has_nothing(
    hub: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert join(tmp_path, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["name"], document["addresses"]) == ("laptop", ["10.86.0.2", "fd00:86::2"])
    assert document["identity"] == hub.asked[0]
    assert stat.S_IMODE((tmp_path / "etc/identity").stat().st_mode) == 0o600
    assert entry.main(["check", str(tmp_path / "etc/profile.yaml")]) == 0
    assert entry.main(["leave"]) == 0
    assert written(tmp_path) == set()


def test_what_was_changed_since_stays(hub: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert join(tmp_path) == 0
    profile = tmp_path / "etc/profile.yaml"
    profile.write_text(profile.read_text() + "# mine\n")
    assert entry.main(["leave"]) == 0
    assert written(tmp_path) == {"etc/profile.yaml"}
    assert f"{profile} was changed since" in capsys.readouterr().err


def test_who_only_stops_keeps_all(hub: Answering, tmp_path: Path) -> None:
    assert join(tmp_path) == 0
    before = written(tmp_path)
    assert entry.main(["leave", "--keep"]) == 0
    assert written(tmp_path) == before


def test_the_owners_key_is_not_removed_by_leaving(hub: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert join(tmp_path) == 0
    NetworkFolder.of("home").keep_owner(OWNER)
    assert entry.main(["leave"]) == 1
    assert "without it nobody can make or remove members" in capsys.readouterr().err
    assert "kept/mesh-home/owner.key" in written(tmp_path)


def test_who_is_refused_leaves_nothing(hub: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.refuses = True
    assert join(tmp_path) == 1
    assert "does not take this code" in capsys.readouterr().err
    assert list(tmp_path.rglob("*")) == []


def test_an_identity_that_the_code_was_used_for_waits_for_the_next_try(
    hub: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        def full(_path: Path, _data: bytes, _mode: int = 0o600) -> None:
            raise OSError(28, "No space left on device")

        broken.setattr("appliance.cli.joining.write_whole", full)
        assert join(tmp_path) == 1
    assert written(tmp_path) == {"etc/identity.joining"}
    assert join(tmp_path) == 0
    assert hub.asked[0] == hub.asked[1]
    assert "etc/identity.joining" not in written(tmp_path)


def test_an_identity_that_is_there_is_used_and_stays(hub: Answering, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    key = tmp_path / "etc/identity"
    whole_files.write_whole(key, identity_of("laptop").to_pem())
    assert join(tmp_path) == 0
    assert hub.asked == [identity_of("laptop").fingerprint]
    assert entry.main(["leave"]) == 0
    assert written(tmp_path) == {"etc/identity"}


def test_an_identity_that_others_read_is_not_used(hub: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "etc").mkdir()
    whole_files.write_whole(tmp_path / "etc/identity", identity_of("laptop").to_pem(), 0o644)
    assert join(tmp_path) == 1
    assert "others can read this secret" in capsys.readouterr().err
    assert not hub.asked


def test_a_profile_that_is_there_is_not_touched_and_nobody_is_called(hub: Answering, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/profile.yaml").write_text("mine")
    assert join(tmp_path) == 1
    assert (tmp_path / "etc/profile.yaml").read_text() == "mine"
    assert not hub.asked


def test_the_profile_can_be_printed_for_a_node_that_has_one(
    hub: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(["join", CODE, "--profile", "-", "--identity", str(tmp_path / "key"), "--name", "my-node"]) == 0
    out = capsys.readouterr().out
    assert 'name: "my-node"' in out
    assert NETWORK.fingerprint in out
    assert {"key", "kept/mesh-home/network.pub", "kept/mesh-home/statements"} <= written(tmp_path)


def test_a_code_may_come_by_standard_input(hub: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(CODE.lower() + "\n"))
    assert entry.main(["join", "--profile", str(tmp_path / "etc/profile.yaml")]) == 0


def test_a_network_can_be_called_something_else_here(hub: Answering, tmp_path: Path) -> None:
    assert join(tmp_path, "--label", "parents") == 0
    assert "kept/mesh-parents/statements" in written(tmp_path)
    assert 'label: "parents"' in (tmp_path / "etc/profile.yaml").read_text()


@pytest.mark.parametrize("code", ["", "no-code", CODE[:-1], CODE.replace(CODE[10], "U")])
def test_what_is_no_code_is_said_before_anybody_is_called(hub: Answering, tmp_path: Path, code: str) -> None:
    assert entry.main(["join", code or "-", "--profile", str(tmp_path / "etc/profile.yaml")]) == 2
    assert not hub.asked
    assert list(tmp_path.rglob("*")) == []
