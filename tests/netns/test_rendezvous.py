"""Members find each other by a tag at a meeting place: three real nodes, by the commands and by discovery."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ExitCode
from appliance.members.scope import Role
from tests.netns.daemons import Host
from tests.netns.test_mesh import Owner, eventually, names, wired, write

__all__ = ["wired"]

pytestmark = pytest.mark.netns


def said(host: Host, *words: str) -> Any:
    """What a command answers; nothing while it fails, since places may be on their way."""
    answer = host.command(*words, "--json")
    return json.loads(answer.stdout) if answer.returncode == ExitCode.OK else {}


def found(host: Host) -> list[str]:
    """Who is registered under the tag; a name that nobody has while that cannot be asked."""
    return [each["name"] for each in said(host, "rendezvous", "find", "printers").get("members", [{"name": "?"}])]


def start(host: Host, owner: Owner, first: Host | None, mesh: str = "", roles: frozenset[Role] = frozenset()) -> None:
    owner.hand(host, owner.certificate(host, roles=roles).encoded)
    write(host, owner, first, mesh=mesh)
    host.start()


def called(host: Host) -> set[str]:
    """Whom discovery found by a tag."""
    return {each["peer"] for each in json.loads(host.command("discover", "--json").stdout) if each["kind"] == "rendezvous"}


def test_who_registers_is_found_and_called(wired: tuple[Host, Host, Host], tmp_path: Path) -> None:
    server, laptop, phone = wired
    owner = Owner()
    start(server, owner, None, roles=frozenset({Role.RENDEZVOUS}))
    start(laptop, owner, server)
    eventually(lambda: "server" in names(laptop))
    taken = [{"place": "server", "state": "registered"}]
    eventually(lambda: said(laptop, "rendezvous", "register", "printers").get("places") == taken)
    listed = laptop.command("rendezvous", "list").stdout
    assert listed.startswith("meeting places: server\nprinters: registered at server, until ")

    start(phone, owner, server, "rendezvous: {call: [printers]}")
    eventually(lambda: found(phone) == ["laptop"])
    (member,) = said(phone, "rendezvous", "find", "printers")["members"]
    assert (member["name"], member["identity"]) == ("laptop", laptop.identity.fingerprint)
    assert "udp://192.0.2.2:8443" in member["endpoints"]
    eventually(lambda: called(phone) == {"laptop"})
    eventually(lambda: "laptop" in {session["peer"] for session in phone.status()["sessions"]})

    server.stop()  # what others registered is on its disk
    server.start()
    assert server.status()["knowledge"]["rendezvous"]["kept"]["registrations"] == 1
    eventually(lambda: found(phone) == ["laptop"])
    assert said(laptop, "rendezvous", "unregister", "printers") == {"tag": "printers", "was_registered": True}
    eventually(lambda: found(phone) == [])

    write(phone, owner, server, mesh="rendezvous: {use: false}")
    assert phone.process is not None
    phone.process.send_signal(signal.SIGHUP)
    eventually(lambda: "rendezvous" not in phone.status()["knowledge"])
    assert called(phone) == set()
    refused = phone.command("rendezvous", "find", "printers")
    assert "this node has no rendezvous" in refused.stderr
    assert [host.stop() for host in wired] == [ExitCode.OK] * 3
