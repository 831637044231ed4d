"""Networks by files: made, signed on another machine, carried by hand, renewed, removed. No node runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import entry
from appliance.foundation import clock, places
from appliance.members.trust import Trust
from appliance.runtime.members.network_folder import NetworkFolder

Capture = pytest.CaptureFixture[str]
Run = Callable[..., Any]


class Machine:
    """One of several machines: each has files of its own."""

    def __init__(self, path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        path.mkdir()
        entry.main(["keys", "new", str(path / "identity")])
        capsys.readouterr()

    def try_to(self, *words: str) -> tuple[int, str, str]:
        self._monkeypatch.setenv("STATE_DIRECTORY", str(self.path / "kept"))
        self._monkeypatch.setattr(places, "CONFIG", self.path)
        code = entry.main(["network", *words])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def does(self, *words: str) -> Any:
        code, out, err = self.try_to(*words, "--json")
        assert code == 0, out + err
        return json.loads(out)

    def members(self) -> list[str]:
        return [each["name"] for each in self.does("members")["members"]]

    def file(self, name: str) -> str:
        return str(self.path / name)


@pytest.fixture
def machine(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Machine]:
    return lambda name: Machine(tmp_path / name, capsys, monkeypatch)


@pytest.fixture
def hub(machine: Callable[[str], Machine]) -> Machine:
    made = machine("hub")
    made.does("new", "home", "--name", "hub")
    return made


def joined(hub: Machine, other: Machine, *words: str) -> None:
    """By hand: a request there, a certificate here, and back."""
    for name in ("request", "certificate"):
        Path(other.file(name)).unlink(missing_ok=True)
    other.does("request", "--output", other.file("request"))
    hub.does("sign", other.file("request"), "--output", other.file("certificate"), *words)
    if not NetworkFolder(other.path / "kept/mesh-home").path.exists():
        other.does("import", other.file("certificate"), "--label", "home")
    else:
        other.does("import", other.file("certificate"))


def test_a_new_network_has_its_maker_as_a_member(machine: Callable[[str], Machine]) -> None:
    hub = machine("hub")
    code, out, err = hub.try_to("new", "home", "--name", "hub")
    assert code == 0
    assert out.startswith("llpn1:")
    assert f"written to {hub.file('profile.yaml')}" in err
    assert f'network: "{out.strip()}"' in Path(hub.file("profile.yaml")).read_text()
    assert "Make a copy of it" in err
    shown = hub.does("show")
    assert (shown["network"], shown["label"], shown["members"], shown["owner_key"]) == (out.strip(), "home", 1, True)
    (first,) = hub.does("members")["members"]
    assert first["addresses"]
    assert first["roles"] == ["relay", "rendezvous"], "newcomers behind NATs reach each other by it"
    work = hub.does("new", "work", "--name", "hub", "--role", "")
    assert work["certificate"]["roles"] == []
    assert hub.try_to("new", "play", "--name", "hub", "--role", "king")[0] == 2
    assert {path.stat().st_mode & 0o077 for path in (hub.path / "kept/mesh-home").iterdir()} == {0}


def test_a_bare_host_gets_all_that_a_node_needs(machine: Callable[[str], Machine]) -> None:
    hub = machine("hub")
    Path(hub.file("identity")).unlink()
    document = hub.does("new", "home", "--name", "hub")
    assert (document["identity"], document["profile"]) == (hub.file("identity"), hub.file("profile.yaml"))
    assert entry.main(["check", hub.file("profile.yaml")]) == 0


def test_the_first_members_addresses_say_where_all_members_are(machine: Callable[[str], Machine]) -> None:
    hub, laptop = machine("hub"), machine("laptop")
    document = hub.does("new", "home", "--name", "hub", "--address", "10.9.0.1,fd00:9::1")
    assert document["certificate"]["addresses"] == ["10.9.0.1", "fd00:9::1"]
    joined(hub, laptop, "--name", "laptop")
    v4, v6 = hub.does("members")["members"][1]["addresses"]
    assert ip_address(v4) in ip_network("10.9.0.0/16")
    assert ip_address(v6) in ip_network("fd00:9::/48")


def test_a_profile_that_is_there_is_told_what_it_lacks(machine: Callable[[str], Machine]) -> None:
    hub = machine("hub")
    Path(hub.file("profile.yaml")).write_text("mine")
    _, out, err = hub.try_to("new", "home", "--name", "hub")
    assert f"network: {out.strip()}" in err
    assert Path(hub.file("profile.yaml")).read_text() == "mine"


def test_the_owners_key_can_live_on_a_stick(machine: Callable[[str], Machine]) -> None:
    hub, laptop = machine("hub"), machine("laptop")
    made = hub.does("new", "home", "--name", "hub", "--owner-key", hub.file("stick"))
    assert made["owner_key"] == hub.file("stick")
    assert not (hub.path / "kept/mesh-home/owner.key").exists()
    laptop.does("request", "--output", laptop.file("request"))
    code, _, err = hub.try_to("sign", laptop.file("request"), "--name", "laptop")
    assert code == 2
    assert "--key FILE" in err
    hub.does("sign", laptop.file("request"), "--name", "laptop", "--key", hub.file("stick"))
    assert hub.members() == ["hub", "laptop"]


def test_a_stick_without_modes_takes_the_key_and_it_is_said(
    machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = machine("hub")
    real = os.open

    def as_on_fat(path: Any, flags: int, mode: int = 0o777, **words: Any) -> int:
        return real(path, flags, 0o755 if str(path).endswith("stick") else mode, **words)

    change = os.fchmod

    def refuse_on_fat(fd: int, mode: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink().name == "stick":
            raise PermissionError(1, os.strerror(1))
        change(fd, mode)

    monkeypatch.setattr("os.open", as_on_fat)
    monkeypatch.setattr("os.fchmod", refuse_on_fat)
    code, _, err = hub.try_to("new", "home", "--name", "hub", "--owner-key", hub.file("stick"))
    assert code == 0, err
    assert "no modes" in err


def test_a_certificate_is_signed_on_another_machine(hub: Machine, machine: Callable[[str], Machine]) -> None:
    laptop = machine("laptop")
    joined(hub, laptop, "--name", "laptop", "--tags", "desk,of-ann", "--prefix", "192.168.7.0/24", "--role", "relay", "--exit")
    (found,) = laptop.does("members")["members"]
    assert (found["name"], found["tags"], found["prefixes"]) == ("laptop", ["desk", "of-ann"], ["192.168.7.0/24"])
    assert (found["roles"], found["exit"]) == (["relay"], True)
    assert laptop.does("show")["network"] == hub.does("show")["network"]
    assert not laptop.does("show")["owner_key"]
    code, _, err = laptop.try_to("renew", "laptop")
    assert code == 2
    assert "neither the owner's nor that of an issuer" in err


def test_signing_again_keeps_name_and_addresses(hub: Machine, machine: Callable[[str], Machine]) -> None:
    laptop = machine("laptop")
    joined(hub, laptop, "--name", "laptop", "--address", "10.9.9.9")
    joined(hub, laptop, "--tags", "desk")
    (found,) = laptop.does("members")["members"]
    assert (found["name"], found["addresses"], found["tags"]) == ("laptop", ["10.9.9.9"], ["desk"])
    code, _, err = hub.try_to("sign", laptop.file("request"), "--name", "notebook")
    assert code == 2
    assert "renamed" in err


def test_an_issuer_signs_within_its_scope(hub: Machine, machine: Callable[[str], Machine]) -> None:
    desk, phone = machine("desk"), machine("phone")
    desk.does("request", "--output", desk.file("request"))
    may = ("--may-addresses", "10.0.0.0/8", "--may-tags", "any", "--may-last", "30d", "--may-roles", "relay")
    hub.does("issuer", desk.file("request"), "--name", "desk", *may, "--output", desk.file("certificate"))
    desk.does("import", desk.file("certificate"), "--label", "home")
    joined(desk, phone, "--name", "phone", "--tags", "x")
    assert phone.members() == ["desk", "phone"], "the issuer's certificate came along"
    assert "30d" in desk.try_to("show")[1]
    code, _, err = desk.try_to("sign", phone.file("request"), "--prefix", "192.168.0.0/24")
    assert code == 2
    assert "beyond-scope" in err
    desk.does("export", "--output", desk.file("all"))
    hub.does("import", desk.file("all"))
    hub.does("sign", desk.file("request"), "--tags", "desk")
    assert hub.members() == ["desk", "hub", "phone"]
    hub.does("revoke", "desk", "--all-it-signed")
    assert hub.members() == ["hub"]


def test_a_member_is_renewed_and_removed(hub: Machine, machine: Callable[[str], Machine]) -> None:
    laptop = machine("laptop")
    joined(hub, laptop, "--name", "laptop", "--lifetime", "2d")
    assert "ends in" in hub.try_to("show")[2]
    hub.does("renew", "laptop", "--output", laptop.file("renewed"))
    laptop.does("import", laptop.file("renewed"))
    assert laptop.try_to("show")[2] == ""
    revoked = hub.does("revoke", "laptop", "--output", hub.file("gone"))
    assert (revoked["name"], revoked["members"]) == ("laptop", 1)
    laptop.does("import", hub.file("gone"))
    assert (hub.members(), laptop.members()) == (["hub"], [])
    again = laptop.does("import", laptop.file("renewed"))
    assert again["reasons"] == {"revoked": 1}
    joined(hub, laptop, "--name", "laptop")
    assert laptop.members() == ["laptop"], "and may come back"
    code, _, err = hub.try_to("revoke", "nobody")
    assert (code, "no member 'nobody'" in err) == (2, True)


def test_a_node_does_not_remove_itself_by_mistake(hub: Machine) -> None:
    code, _, err = hub.try_to("revoke", "hub")
    assert (code, "hub is this node itself" in err) == (1, True)
    assert hub.members() == ["hub"]
    hub.does("revoke", hub.does("members")["members"][0]["identity"])
    assert hub.members() == []


def test_one_without_a_certificate_that_counts_is_shown_and_can_be_removed(
    hub: Machine, machine: Callable[[str], Machine]
) -> None:
    one, two, third = machine("one"), machine("two"), machine("third")
    hub.does("export", "--output", third.file("all"))
    third.does("import", third.file("all"), "--label", "home")
    owner = ("--key", str(hub.path / "kept/mesh-home/owner.key"), "--name", "same")
    one.does("request", "--output", one.file("request"))
    two.does("request", "--output", two.file("request"))
    hub.does("sign", one.file("request"), *owner)
    third.does("sign", two.file("request"), *owner, "--output", third.file("other"))
    hub.does("import", third.file("other"))
    (aside,) = hub.does("members")["set_aside"]
    assert (aside["why"], aside["against"]) == ("name-taken", "same")
    assert "name-taken (same)" in hub.try_to("members")[1]
    hub.does("revoke", aside["identity"])
    assert hub.does("members")["set_aside"] == []
    assert hub.members() == ["hub", "same"]


def test_an_export_has_everything_but_secrets(hub: Machine, machine: Callable[[str], Machine]) -> None:
    code, out, _ = hub.try_to("export")
    assert code == 0
    assert out.startswith("-----BEGIN APPLIANCE NETWORK-----")
    assert "PRIVATE" not in out
    backup = machine("backup")
    Path(backup.file("all")).write_text(out)
    backup.does("import", backup.file("all"), "--label", "home", "--network", hub.does("show")["network"])
    assert backup.members() == ["hub"]


def test_a_network_that_is_not_the_expected_one_is_refused(hub: Machine, machine: Callable[[str], Machine]) -> None:
    other = machine("other")
    hub.does("export", "--output", hub.file("all"))
    code, _, err = other.try_to("import", hub.file("all"), "--label", "home", "--network", "llpn1:" + "a" * 52)
    assert (code, "and not llpn1:" in err) == (1, True)
    assert not (other.path / "kept").exists()
    assert other.try_to("import", hub.file("all"))[0] == 2, "a new network needs a label"
    other.does("new", "home", "--name", "other")
    code, _, err = other.try_to("import", hub.file("all"), "--label", "home")
    assert (code, "another network" in err) == (1, True)


def test_nothing_is_overwritten(hub: Machine, machine: Callable[[str], Machine]) -> None:
    code, _, err = hub.try_to("new", "home", "--name", "hub")
    assert (code, "has a network home already" in err) == (1, True)
    Path(hub.file("there")).write_text("precious")
    for words in (("export",), ("request",)):
        code, _, err = hub.try_to(*words, "--output", hub.file("there"))
        assert (code, "not overwritten" in err) == (1, True)
    code, _, err = hub.try_to("new", "work", "--name", "hub", "--owner-key", hub.file("there"))
    assert code == 1
    assert Path(hub.file("there")).read_text() == "precious"
    assert not (hub.path / "kept/mesh-work").exists(), "nothing half-made is left"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    def fill() -> None:
        def full(fd: int) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr("os.fsync", full)

    yield fill
    monkeypatch.undo()


def test_a_full_disk_loses_nothing(hub: Machine, machine: Callable[[str], Machine], full_disk: Callable[[], None]) -> None:
    laptop = machine("laptop")
    laptop.does("request", "--output", laptop.file("request"))
    statements = (hub.path / "kept/mesh-home/statements").read_bytes()
    hub_itself = hub.does("members")["members"][0]["identity"]
    full_disk()
    for words in (("sign", laptop.file("request"), "--name", "laptop"), ("revoke", hub_itself), ("new", "work", "--name", "hub")):
        code, _, err = hub.try_to(*words)
        assert (code, "no space left" in err.lower()) == (1, True), err
    assert (hub.path / "kept/mesh-home/statements").read_bytes() == statements
    assert sorted(path.name for path in (hub.path / "kept").iterdir()) == ["mesh-home"]
    assert not list(hub.path.rglob("*.part"))


def test_a_clock_that_is_wrong_for_a_while_loses_nothing(
    hub: Machine, machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = machine("laptop")
    laptop.does("request", "--output", laptop.file("request"))
    now = 4_000_000_000.0
    with monkeypatch.context() as wrong:
        wrong.setattr("appliance.foundation.clock.wall", lambda: now)
        assert hub.members() == []
        hub.does("sign", laptop.file("request"), "--name", "laptop")
        assert hub.members() == ["laptop"]
    assert hub.members() == ["hub"], "the other one is not valid yet"


def test_a_member_whose_certificate_has_ended_is_renewed(
    hub: Machine, machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = machine("laptop")
    joined(hub, laptop, "--name", "laptop", "--lifetime", "2d")
    later = clock.wall() + 3 * 86_400
    monkeypatch.setattr("appliance.foundation.clock.wall", lambda: later)
    assert hub.members() == ["hub"]
    hub.does("renew", "laptop", "--output", hub.file("renewed"))
    laptop.does("import", hub.file("renewed"))
    assert (hub.members(), laptop.members()) == (["hub", "laptop"], ["laptop"])
    assert hub.try_to("renew", "nobody")[0] == 2


def test_several_networks_need_a_label(hub: Machine) -> None:
    hub.does("new", "work", "--name", "hub")
    code, _, err = hub.try_to("members")
    assert (code, "home, work" in err) == (2, True)
    assert hub.does("members", "work")["label"] == "work"
    assert hub.try_to("members", "elsewhere")[0] == 1
    assert hub.try_to("members", "Elsewhere")[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--address", "nonsense"),
        ("--prefix", "10.0.0.1/8"),
        ("--role", "king"),
        ("--lifetime", "soon"),
        ("--name", "Not_A_Label"),
        ("--tags", "NO"),
        ("--lifetime", "9000d"),
        ("--address", "127.0.0.1"),
    ],
)
def test_what_is_wrong_is_said_with_a_hint(hub: Machine, machine: Callable[[str], Machine], words: tuple[str, ...]) -> None:
    laptop = machine("laptop")
    laptop.does("request", "--output", laptop.file("request"))
    given = words if words[0] == "--name" else ("--name", "laptop", *words)
    code, out, err = hub.try_to("sign", laptop.file("request"), *given)
    assert (code, out) == (2, "")
    assert "hint:" in err
    assert hub.members() == ["hub"]


def test_files_are_what_they_are_said_to_be(hub: Machine) -> None:
    assert hub.try_to("sign", hub.file("identity"), "--name", "x")[0] == 2
    assert hub.try_to("import", hub.file("identity"))[0] == 2
    assert hub.try_to("import", hub.file("missing"))[0] == 1
    assert isinstance(NetworkFolder(hub.path / "kept/mesh-home").trust(0), Trust)
