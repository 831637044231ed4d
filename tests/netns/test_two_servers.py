"""Two nodes whose API servers share one store in PostgreSQL: what was said to one, the other knows."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.netns.daemons import Host
from tests.netns.test_jobs import change, post, stream
from tests.netns.test_management import READY, ask, logged_in
from tests.netns.throwaway import Throwaway
from tests.rigs.postgresql import Cluster, cluster

pytestmark = pytest.mark.netns


@pytest.fixture
def database() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def nodes(database: Cluster) -> Iterator[tuple[Host, Host]]:
    """The first has made the store; the second was just begun."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name, Throwaway() as one, Throwaway() as two:
        folder = Path(name)
        folder.chmod(0o755)
        first, second = (Host(namespace, folder, number) for number, namespace in enumerate((one, two), 1))
        section = f"management: {{store: {{postgresql: {{host: {database.folder}, user: owner, database: postgres}}}}}}"
        for host, other in ((first, second), (second, first)):
            host.namespace.sh("ip link set lo up")
            host.write(other, plugins="store-postgresql", more=section)
        try:
            first.start()
            first.hear(READY)
            second.start()
            yield first, second
        finally:
            for host in (first, second):
                if host.process is not None:
                    host.stop()


def kept(host: Host) -> Path:
    return host.kept.with_name(f"{host.kept.name}-api") / "store"


def refreshed(host: Host, token: str) -> tuple[int, Any]:
    return ask(
        host,
        "/api/v1/auth/refresh",
        "-H",
        "content-type: application/json",
        "-d",
        json.dumps({"refresh_token": token}),
        local=False,
    )


def test_two_api_servers_are_one(nodes: tuple[Host, Host], database: Cluster) -> None:
    first, second = nodes

    # The second has no key, and says what to do.
    second.hear("the API server ends")
    (key,) = kept(first).glob("key-*")
    said = second.logged("the API server ends")[0]
    assert "not there" in said["reason"]
    assert f"copy {key.name}" in said["hint"]
    shutil.copy2(key, kept(second))
    shutil.chown(kept(second) / key.name, kept(second).stat().st_uid, kept(second).stat().st_gid)
    second.hear(READY)

    # A user of one is a user of the other, and so are tokens.
    alice = logged_in(first, "alice", "admin")
    assert ask(second, "/api/v1/users/profile", *alice, local=False)[1]["name"] == "alice"
    login = ["-H", "content-type: application/json", "-d", json.dumps({"name": "alice", "password": "correct horse battery"})]
    granted = ask(second, "/api/v1/auth/login", *login, local=False)[1]
    status, again = refreshed(first, granted["refresh_token"])
    assert status == 200
    assert refreshed(second, again["refresh_token"])[0] == 200

    # A job runs at the one that was asked. The other streams and cancels it, and an idempotency key is known to both.
    change(first)
    status, begun = ask(
        first, "/api/v1/templates/execute", "-X", "POST", "-H", "content-type: application/json", "-H", "idempotency-key: once",
        "-d", json.dumps({"template": "reload-with-confirm", "parameters": {"settle": 600}}), *alice, local=False,
    )  # fmt: skip
    assert status == 202, begun
    path = f"/api/v1/templates/stream/{begun['id']}"
    stream(second, path, '"state": "done".*\\n')
    status, same = ask(
        second, "/api/v1/templates/execute", "-X", "POST", "-H", "content-type: application/json", "-H", "idempotency-key: once",
        "-d", json.dumps({"template": "reload-with-confirm", "parameters": {"settle": 600}}), *alice, local=False,
    )  # fmt: skip
    assert (status, same["id"]) == (202, begun["id"])
    assert post(second, f"/api/v1/jobs/{begun['id']}/cancel")[0] in {200, 202}
    stream(first, path, r'"state": "cancelled", "error.*\n')
    told = stream(second, "/api/v1/events", r"jobs.cancelled\ndata.*\n")
    assert [kind for _, kind, _ in told if kind.startswith("jobs.")] == [
        "jobs.queued",
        "jobs.running",
        "jobs.cancelling",
        "jobs.cancelled",
    ]

    # One is killed while the database is restarted: the other goes on, and nothing that was answered is lost.
    os.kill(first.status()["management"]["pid"], signal.SIGKILL)
    database.stop()
    assert ask(second, "/api/v1/users/profile", *alice, local=False)[0] == 503
    database.start()
    second_status = 503
    while second_status == 503:
        second_status, profile = ask(second, "/api/v1/users/profile", *alice, local=False)
    assert (second_status, profile["name"]) == (200, "alice")
    first.hear(READY, times=2)
    assert ask(first, "/api/v1/users/profile", *alice, local=False)[0] == 200

    # What the store tells in figures stands in the status of its node, below the plugin.
    until = time.monotonic() + 60
    while '"part": "store postgresql"' not in first.command("status", "--json").stdout:
        assert time.monotonic() < until

    # An admin looks at it, and changes its data key, while both run.
    checked = json.loads(first.command("store", "check", "--json").stdout)
    assert checked["values"] > checked["unopened"] == 0
    assert first.command("store", "rotate").returncode == 0
    assert ask(second, "/api/v1/users/profile", *alice, local=False)[0] == 200
    assert json.loads(second.command("store", "check", "--json").stdout)["under_earlier_keys"] == 0
