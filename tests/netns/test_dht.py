"""The hash table on real nodes: what one puts the others find, and who is known by identity alone is reached."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ExitCode
from tests.netns.daemons import Host
from tests.netns.test_management import READY, ask
from tests.netns.test_mesh import Owner, on_one_wire, write

pytestmark = pytest.mark.netns

SECONDS = 90.0
NOBODY_COMES_IN = "nft 'add table inet f; add chain inet f c { type filter hook input priority 0; }; \
add rule inet f c iifname wire ct state new drop'"


def until(condition: Callable[[], Any]) -> Any:
    """What it gives once it is something."""
    limit = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < limit
        time.sleep(0.2)
    return found


def document(host: Host, *words: str) -> Any:
    """What a command prints as JSON; None if it fails."""
    done = host.command(*words, "--json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def found(host: Host, other: Host) -> Any:
    """What a host finds of another one's identity, without lists; None if it finds nothing."""
    answer = document(host, "dht", "find", other.identity.fingerprint)
    return answer and {name: value for name, value in answer.items() if not isinstance(value, list)}


@pytest.fixture
def wired() -> Iterator[tuple[Host, Host, Host]]:
    """Three hosts in a folder that the API server's user may enter."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        Path(name).chmod(0o755)
        with on_one_wire(Path(name)) as hosts:
            yield hosts


def test_who_knows_an_identity_finds_the_member_and_what_it_put(wired: tuple[Host, Host, Host]) -> None:
    server, laptop, phone = wired
    owner = Owner()
    certificates = [owner.certificate(host).encoded for host in wired]
    for host in wired:
        owner.hand(host, *certificates)
    write(server, owner, more="management: {}")
    server.namespace.sh("ip link set lo up")
    write(laptop, owner, first=server)
    known = f"peers: [{{name: laptop, identity: {laptop.identity.fingerprint}, allowed: [10.86.0.2/32]}}]"
    write(phone, owner, first=server, more=known)
    phone.namespace.sh(NOBODY_COMES_IN)
    for host in wired:
        host.start()

    def by_hash_table() -> list[Any]:
        return [place for place in document(phone, "discover") or () if place["kind"] == "dht" and place["works"]]

    places = until(by_hash_table)
    assert {place["peer"] for place in places} == {"laptop"}
    assert places[0]["endpoint"].endswith("://192.0.2.2:8443")
    until(lambda: phone.command("ping", "laptop", "--count", "1").returncode == 0)
    until(lambda: {"name": "laptop", "answers": True}.items() <= (found(phone, laptop) or {}).items())

    until(lambda: (document(laptop, "dht", "put", "menu", "soup", "--for", "1h") or {}).get("stored_at") == 3)
    assert phone.command("dht", "get", "menu").stdout == "soup\n"
    nothing = phone.command("dht", "get", "other")
    assert nothing.returncode == ExitCode.FAILURE
    assert "nobody knows a record under 'other'" in nothing.stderr
    names = {"laptop", "phone"}
    until(lambda: {node["name"] for node in document(server, "dht", "nodes")["nodes"]} == names)
    server.hear(READY)
    shown = ask(server, "/api/dht/nodes")[1]
    assert {node["name"] for node in shown["nodes"]} == names
    assert shown["stats"]["totalNodes"] == len(names)
    assert ask(server, "/api/peers")[1]["dht"] == shown["stats"]
    assert ask(server, "/api/health")[1]["components"]["dht"]["status"] == "ok"
    record = ask(server, "/api/v1/dht/records/menu")[1]["records"][0]
    assert (record["value"], record["by"]["name"]) == ("soup", "laptop")
    assert ask(server, "/api/v1/dht/records/other")[0] == 404

    assert laptop.stop() == 0
    assert phone.command("dht", "get", "menu").stdout == "soup\n", "who put it is away"
    assert phone.stop() == 0
    phone.start()
    assert until(lambda: phone.command("dht", "get", "menu").stdout) == "soup\n", "and it was away itself"
