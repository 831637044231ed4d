"""Members find each other by a tag at a meeting place: three real nodes, by the commands and by discovery."""

from __future__ import annotations

import json
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
    answer = host.command(*words, "--json")
    assert answer.returncode == ExitCode.OK, answer.stderr
    return json.loads(answer.stdout)


def start(host: Host, owner: Owner, first: Host | None, mesh: str = "", roles: frozenset[Role] = frozenset()) -> None:
    owner.hand(host, owner.certificate(host, roles=roles).encoded)
    write(host, owner, first, mesh=mesh)
    host.start()


def called(host: Host) -> set[str]:
    """Whom discovery found by a tag."""
    return {each["peer"] for each in said(host, "discover") if each["kind"] == "rendezvous"}


def test_who_registers_is_found_and_called(wired: tuple[Host, Host, Host], tmp_path: Path) -> None:
    server, laptop, phone = wired
    owner = Owner()
    start(server, owner, None, roles=frozenset({Role.RENDEZVOUS}))
    start(laptop, owner, server)
    eventually(lambda: "server" in names(laptop))
    done = said(laptop, "rendezvous", "register", "printers")
    assert (done["tag"], done["places"]) == ("printers", [{"place": "server", "state": "registered"}])
    assert laptop.command("rendezvous", "list").stdout.startswith(
        "meeting places: server\nprinters: registered at server, until "
    )

    start(phone, owner, server, "rendezvous: {call: [printers]}")
    eventually(lambda: names(phone) == {"server", "laptop"})
    found = said(phone, "rendezvous", "find", "printers")
    assert [(each["name"], each["identity"]) for each in found["members"]] == [("laptop", laptop.identity.fingerprint)]
    assert "udp://192.0.2.2:8443" in found["members"][0]["endpoints"]
    eventually(lambda: called(phone) == {"laptop"})
    eventually(lambda: "laptop" in {session["peer"] for session in phone.status()["sessions"]})

    server.stop()  # what others registered is on its disk
    server.start()
    eventually(lambda: names(server) == {"laptop", "phone"})
    found = said(phone, "rendezvous", "find", "printers")
    assert [each["name"] for each in found["members"]] == ["laptop"]
    assert said(laptop, "rendezvous", "unregister", "printers") == {"tag": "printers", "was_registered": True}
    eventually(lambda: said(phone, "rendezvous", "find", "printers")["members"] == [])
    assert [host.stop() for host in wired] == [ExitCode.OK] * 3
