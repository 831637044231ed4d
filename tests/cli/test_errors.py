"""What an admin reads when something is wrong: a sentence, what to do, an exit code; never a traceback (see `Cli`)."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.netns.throwaway import Throwaway

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NO_CAPABILITIES = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
PLAIN = "plugins: [transport-ip, crypto-standard, routing-static]\n"
BASE = "profile: 1\nnetwork: {addresses: [10.8.0.1/24]}\n" + PLAIN


def test_an_unknown_key_is_shown_in_its_place(cli: Cli) -> None:
    profile = cli.profile("profile: 1\nnetwork:\n  adresses: [10.8.0.1/24]\n" + PLAIN)
    ended = cli("check", profile)
    assert ended.code == 2
    assert f"{profile}:3:3: network.adresses: " in ended.err
    assert "  adresses: [10.8.0.1/24]" in ended.err
    assert "^^^^^^^^" in ended.err
    assert "did you mean" in ended.err
    assert "addresses" in ended.err


def test_all_problems_at_once_and_as_one_document(cli: Cli) -> None:
    profile = cli.profile("profile: 1\nnam: x\nnetwork: {addresses: [10.8.0.1/24], mtu: 99999}\n" + PLAIN)
    ended = cli("check", profile, "--json")
    assert ended.code == 2
    error = ended.document["error"]
    assert {problem["path"] for problem in error["problems"]} == {"nam", "network.mtu"}
    assert (error["code"], error["exit"]) == ("ProfileInvalid", 2)


@pytest.mark.parametrize("words", [("plan",), ("apply",), ("run",), ("check",), ("config", "show"), ("doctor",)])
def test_an_mtu_out_of_range_stops_every_command(cli: Cli, words: tuple[str, ...]) -> None:
    profile = cli.profile("profile: 1\nnetwork: {addresses: [10.8.0.1/24], mtu: 9001}\n" + PLAIN)
    ended = cli(*words, profile)
    told = ended.out if words == ("doctor",) else ended.err
    assert ended.code == (1 if words == ("doctor",) else 2)
    assert "network.mtu" in told
    assert "9000" in told


def test_a_profile_that_is_not_there(cli: Cli) -> None:
    ended = cli("check", "nowhere.yaml")
    assert ended.code == 2
    assert "nowhere.yaml" in ended.err


@pytest.mark.netns
def test_no_daemon(host: Cli) -> None:
    ended = host("status")
    assert (ended.code, ended.out) == (7, "")
    assert ended.err.startswith(
        "error: no appliance daemon runs in this network namespace\nhint: start one with `appliance run PROFILE`"
    )
    assert host("status", "--json").document["error"]["exit"] == 7


@pytest.fixture
def public(host: Cli) -> Iterator[Cli]:
    """The command in a directory that any user may read, with an identity and a profile."""
    with tempfile.TemporaryDirectory(prefix="appliance-test-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        cli = Cli(directory, host.inside)
        cli("keys", "new", "identity")
        (directory / "identity").chmod(0o644)
        cli.profile("server: {identity: file:identity}\n" + BASE)
        yield cli


@pytest.mark.netns
@pytest.mark.parametrize("prefix", [NOBODY, NO_CAPABILITIES], ids=["nobody", "root-without-capabilities"])
@pytest.mark.parametrize("words", ["apply profile.yaml", "rollback", "run profile.yaml"])
def test_missing_privilege(public: Cli, namespace: Throwaway, words: str, prefix: tuple[str, ...]) -> None:
    before = namespace.snapshot()
    ended = public(*words.split(), prefix=prefix)
    assert ended.code == 6, ended.err
    error, hint = [line for line in ended.err.splitlines() if line.startswith(("error: ", "hint: "))]
    assert "CAP_NET_ADMIN" in error
    assert "root" in hint
    assert namespace.snapshot() == before


@pytest.mark.netns
def test_planning_and_checking_need_no_privilege(public: Cli) -> None:
    assert public("check", "profile.yaml", prefix=NOBODY).code == 0
    assert public("plan", "profile.yaml", prefix=NOBODY).code == 3


@pytest.mark.netns
def test_a_directory_that_is_not_ours_to_write(public: Cli) -> None:
    ended = public("keys", "new", "/root-only-identity", prefix=NOBODY)
    assert ended.code == 6
    assert ended.err.startswith("error: /root-only-identity: you may not write there\nhint: ")


@pytest.mark.netns
def test_a_missing_key_file(host: Cli, namespace: Throwaway) -> None:
    before = namespace.snapshot()
    profile = host.profile("server: {identity: file:nowhere}\n" + BASE)
    ended = host("run", profile)
    assert ended.code != 0
    assert f"{profile.parent}/nowhere" in ended.err
    assert "appliance keys new" in ended.err
    assert namespace.snapshot() == before


@pytest.mark.netns
def test_a_port_in_use(host: Cli, namespace: Throwaway) -> None:
    host("keys", "new", "identity")
    before = namespace.snapshot()
    taken = namespace.run(_bind)
    try:
        profile = host.profile("server: {identity: file:identity, listen: ['udp://127.0.0.1:8443']}\n" + BASE)
        ended = host("run", profile)
        found = {finding["code"] for finding in host("doctor", profile, "--json").document["findings"]}
    finally:
        taken.close()
    assert ended.code == 1, ended.err
    assert "udp://127.0.0.1:8443" in ended.err
    assert "in use" in ended.err
    assert "port-in-use" in found
    assert namespace.snapshot() == before


@pytest.mark.netns
def test_an_address_that_another_interface_has(host: Cli, namespace: Throwaway) -> None:
    namespace.sh("ip link add veth0 type veth peer name veth1; ip addr add 10.8.0.9/24 dev veth0; ip link set veth0 up")
    ended = host("plan", host.profile(BASE))
    assert ended.code == 9
    assert ended.err.startswith("error: ")
    assert "veth0" in ended.err


@pytest.mark.netns
def test_a_bad_duration(host: Cli) -> None:
    ended = host("apply", host.profile(BASE), "--confirm-within", "60")
    assert ended.code == 2
    assert ended.err.startswith("error: --confirm-within: '60' is no duration")
    assert "hint: for example --confirm-within 60s" in ended.err


def test_an_unknown_log_level(cli: Cli) -> None:
    ended = cli("version", APPLIANCE_LOG="loud")
    assert (ended.code, ended.err) == (1, "error: APPLIANCE_LOG: 'loud' is no log level: trace, debug, info, warn, error\n")


def test_init_overwrites_nothing(cli: Cli) -> None:
    profile = cli.profile("precious")
    ended = cli("init", profile)
    assert ended.code == 1
    assert ended.err.startswith(f"error: {profile} exists already and is not overwritten")
    assert profile.read_text() == "precious"
    assert cli("init", "-", "--name", "Big Host").code == 2
    assert cli("init", "-").out.startswith("#")


def test_the_schema_is_one_document(cli: Cli) -> None:
    assert json.loads(cli("schema").out)["title"]


def _bind() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 8443))
    return sock


def test_checking_warns_of_a_key_file_that_is_not_there(cli: Cli) -> None:
    ended = cli("check", cli.profile("server: {identity: file:nowhere}\n" + BASE))
    assert ended.code == 0
    assert f"warning: server.identity: {cli.directory}/nowhere is not on this host; make it with `appliance keys new" in ended.err
