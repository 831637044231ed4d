from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.lab.guests import debian, programs


def test_packages_are_the_same_list_in_whatever_order_they_are_asked_for() -> None:
    assert debian.packages("amd64", ["ufw", "docker.io"]) == debian.packages("amd64", ["docker.io", "ufw", "ufw"])
    assert "linux-image-arm64" in debian.packages("arm64", [])
    for arch in programs.EMULATORS:
        assert ("busybox-static" in debian.packages(arch, [])) == programs.is_foreign(arch), (
            "its kernel begins with a shell of its own"
        )


@pytest.mark.parametrize("name", ["--hook-dir=/x", "a,b", "Docker", "", "../x"])
def test_what_is_no_name_is_no_option_of_mmdebstrap(name: str) -> None:
    with pytest.raises(HostError, match="is no name of a Debian package"):
        debian.packages("amd64", [name])


def test_a_system_is_named_by_what_is_in_it() -> None:
    plain, more = debian.packages("amd64", []), debian.packages("amd64", ["ufw"])
    names = [
        debian.name_of("bookworm", "amd64", plain),
        debian.name_of("bookworm", "amd64", more),
        debian.name_of("trixie", "amd64", plain),
    ]
    assert len({name.rsplit("-", 1)[1] for name in names}) == 3
    assert names[0].startswith("system-bookworm-amd64-")


def test_packages_come_from_the_mirror_that_this_machine_uses() -> None:
    targets = (
        "Debian http://mirror.example/debian/\nDebian-Security http://mirror.example/security/\nOther http://other.example/\n"
    )
    assert debian.sources("trixie", targets) == (
        "deb http://mirror.example/debian trixie main\n"
        "deb http://mirror.example/debian trixie-updates main\n"
        "deb http://mirror.example/security trixie-security main\n"
    )


def test_elsewhere_they_come_from_debians_own() -> None:
    assert "deb http://deb.debian.org/debian-security bookworm-security main\n" in debian.sources("bookworm", "")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("E: Unable to locate package no-such", "Debian 12 has no package no-such"),
        ("E: Package 'old-one' has no installation candidate", "Debian 12 has no package old-one"),
        ("Temporary failure resolving 'deb.debian.org'", "Debian 12 cannot be fetched from a mirror: mmdebstrap ended"),
        ("dpkg: error processing", "mmdebstrap ended with 25: dpkg: error processing"),
    ],
)
def test_what_failed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, message: str) -> None:
    def fail(*words: str | Path, **_: object) -> str:
        raise programs.failed([str(word) for word in words], 25, said)

    monkeypatch.setattr(programs, "run", fail)
    with pytest.raises(HostError, match=message):
        debian.make("bookworm", "amd64", debian.packages("amd64", []), tmp_path)


def test_what_our_package_depends_on_is_there() -> None:
    assert {"python3", "nftables", "passwd"} <= set(debian.PACKAGES)
