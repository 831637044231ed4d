"""Two hosts and one invitation: from nothing to a ping by the commands that an admin types."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ExitCode
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two bare hosts on one wire, each with an /etc/resolv.conf of its own."""
    with Throwaway() as one, Throwaway() as two:
        one.sh(f"ip link add wire type veth peer name wire netns {two.name}")
        for number, namespace in enumerate((one, two), 1):
            namespace.sh(f"ip link set wire addrgenmode none; ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        hosts = apart(Host(one, tmp_path, 1)), apart(Host(two, tmp_path, 2))
        try:
            yield hosts
        finally:
            for host in hosts:
                if host.process is not None:
                    host.stop()


def done(host: Host, *words: str, code: int = 0) -> Any:
    """What a command says as JSON."""
    ran = host.command(*words, "--json")
    assert ran.returncode == code, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def founded(host: Host) -> Host:
    """A host with a network, running."""
    done(host, "network", "new", "home", "--name", "hub", *files(host))
    host.start()
    return host


def files(host: Host) -> tuple[str, ...]:
    return ("--profile", str(host.profile), "--identity", str(host.profile.with_suffix(".identity")))


def invited(host: Host, *words: str) -> str:
    return str(done(host, "network", "invite", "laptop", *words)["code"])


def join(host: Host, code: str) -> subprocess.CompletedProcess[str]:
    """Join as an admin would on a machine that is so busy that five seconds are over: again, with the same code."""
    for _ in range(5):
        ran = host.command("join", code, *files(host), "--json")
        if ran.returncode != ExitCode.RETRY:
            break
    return ran


def joined(host: Host, code: str) -> Any:
    ran = join(host, code)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def test_from_nothing_to_a_ping_by_one_code(pair: tuple[Host, Host]) -> None:
    hub, laptop = founded(pair[0]), pair[1]
    member = joined(laptop, invited(hub))
    assert member["name"] == "laptop"
    assert done(laptop, "check", str(laptop.profile))["ok"]
    laptop.start()
    (at_hub,) = [each["addresses"] for each in done(hub, "network", "members")["members"] if each["name"] == "hub"]
    for address in at_hub:
        assert laptop.pings(address)
    for address in member["addresses"]:
        assert hub.pings(address)
    (peer,) = done(hub, "peers")
    assert (peer["name"], peer["origin"], peer["connected"]) == ("laptop", "member", True)
    assert [each["state"] for each in done(hub, "network", "invitations")["invitations"]] == ["used"]


def test_codes_that_are_no_good_leave_nothing_and_a_used_one_is_used_for_ever(pair: tuple[Host, Host]) -> None:
    hub, laptop = founded(pair[0]), pair[1]
    before = written(laptop)
    code = invited(hub)
    assert laptop.command("join", code[:-1] + ("0" if code[-1] != "0" else "1"), *files(laptop)).returncode == 2
    done(hub, "network", "invitations", "--revoke", "laptop")
    refused = join(laptop, code)
    assert (refused.returncode, "does not take this code" in refused.stderr) == (1, True)
    assert written(laptop) == before
    code = invited(hub)
    first = joined(laptop, code)
    laptop.profile.unlink()  # as if it had been killed before it could write
    shutil.rmtree(laptop.kept / "mesh-home")
    assert joined(laptop, code) == first
    hub.stop(signal.SIGKILL)
    hub.start()
    states = sorted(each["state"] for each in done(hub, "network", "invitations")["invitations"])  # two of one second: any order
    assert states == ["revoked", "used"]
    another = ("--profile", str(laptop.profile.with_suffix(".other")), "--identity", str(laptop.profile.with_suffix(".id")))
    assert laptop.command("join", code, *another).returncode == 1


def test_who_leaves_takes_all_away(pair: tuple[Host, Host]) -> None:
    hub, laptop = founded(pair[0]), pair[1]
    before = written(laptop)
    joined(laptop, invited(hub))
    laptop.start()
    assert laptop.command("leave").returncode == 0
    assert laptop.ended() == 0
    assert written(laptop) == before
    assert "llp0" not in laptop.namespace.sh("ip link")
    kept = hub.command("leave")
    assert (kept.returncode, "the owner's key" in kept.stderr) == (1, True)


def test_a_newcomer_joins_by_a_member_that_reaches_the_inviter(pair: tuple[Host, Host], tmp_path: Path) -> None:
    hub, home = founded(pair[0]), pair[1]
    with Throwaway() as third:
        hub.namespace.sh(f"ip link add other type veth peer name wire netns {third.name}")
        hub.namespace.sh("ip addr add 198.51.100.1/24 dev other; ip link set other up")
        third.sh("ip addr add 198.51.100.2/24 dev wire; ip link set wire up; ip route add 192.0.2.0/24 via 198.51.100.1")
        laptop = apart(Host(third, tmp_path, 3))
        joined(home, invited(hub))
        shutil.move(hub.kept / "mesh-home/owner.key", home.kept / "mesh-home/owner.key")
        home.start()
        home.hear("session ready")
        made = done(home, "network", "invite", "phone")
        assert [relay["identity"] for relay in made["relays"]] == [done(hub, "network", "members")["members"][0]["identity"]]
        ran = join(laptop, made["code"])
        assert (ran.returncode, "another member passes on" in ran.stderr) == (0, True), ran.stderr
        try:
            laptop.start()
            (at_hub, *_), *_ = [each["addresses"] for each in done(hub, "network", "members")["members"] if each["name"] == "hub"]
            assert laptop.pings(at_hub)
        finally:
            laptop.stop()


def apart(host: Host) -> Host:
    """With an /etc/resolv.conf of its own."""
    resolver = host.profile.with_name(f"resolv-{host.number}.conf")
    resolver.write_text("nameserver 192.0.2.53\n")
    mounted = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    host.entering += ["unshare", "-m", "sh", "-c", mounted, str(resolver)]
    return host


def written(host: Host) -> set[Path]:
    """All files that belong to the host, but for the log of its daemon."""
    mine = {path for path in host.profile.parent.iterdir() if path.name.startswith(f"{host.number}.")}
    return {path for each in mine for path in (each, *each.rglob("*")) if path != host.kept}
