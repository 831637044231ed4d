"""A node with an API server: who gets an answer, and what happens when one of the two processes ends."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from appliance.control import client
from appliance.control.client import ControlError
from appliance.management.operations import analytics, short_paths
from appliance.management.operations.node import NOT_HERE
from appliance.management.operations.row import AnsweredBy
from appliance.management.operations.table import ROWS
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

READY = "the API server is ready"


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    """A node that has an API server."""
    with managed(namespace) as host:
        yield host


@contextmanager
def managed(namespace: Throwaway, *before: str) -> Iterator[Host]:
    """In a folder that the API server's user may enter, as /var/lib is one. `before`: words before those of the command."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        namespace.sh("ip link set lo up")
        host = Host(namespace, folder, 1)
        other = Host(namespace, folder, 2)
        host.write(other, more="management: {}")
        host.entering = [*host.entering, *before]
        host.start()
        try:
            host.hear(READY)
            yield host
        finally:
            host.stop()


def ask(node: Host, path: str, *more: str, local: bool = True) -> tuple[int, Any]:
    """By root on the Unix socket, or by anybody on the TCP port."""
    where = ["--unix-socket", api_socket(node), f"http://node{path}"] if local else [f"http://127.0.0.1:8470{path}"]
    said = node.namespace.sh(shlex.join(["curl", "-s", "--max-time", "60", "-w", r"\n%{http_code}", *more, *where]))
    body, _, status = said.rpartition("\n")
    return int(status), json.loads(body)


def posted(node: Host, known: tuple[str, ...], path: str, **body: Any) -> tuple[int, Any]:
    """By somebody who is known."""
    kind = ("-X", "POST", "-H", "content-type: application/json", "-d", json.dumps(body))
    return ask(node, path, *kind, *known, local=not known)


def logged_in(node: Host, name: str, *roles: str) -> tuple[str, ...]:
    """A new user, as the header that says who it is."""
    assert posted(node, (), "/api/v1/users", name=name, password="correct horse battery", roles=roles)[0] == 201
    answer = ask(
        node, "/api/v1/auth/login", "-H", "content-type: application/json",
        "-d", json.dumps({"name": name, "password": "correct horse battery"}), local=False,
    )  # fmt: skip
    return "-H", f"authorization: Bearer {answer[1]['access_token']}"


def audited(node: Host) -> set[tuple[str, str]]:
    """What the audit log has, and whose it is."""
    told = map(json.loads, node.command("audit", "show", "--json").stdout.splitlines())
    return {(one["what"], one["who"].get("name", "")) for one in told if "what" in one}


@cache
def api_socket(node: Host) -> str:
    return str(node.status()["management"]["socket"])


def test_root_of_this_host_gets_every_answer_that_changes_nothing(node: Host) -> None:
    not_here = {"netcheck", "invitations"}  # and what members know together: this node has no network
    for row in ROWS:
        if row.answered_by is AnsweredBy.NODE and not (row.changes or row.name in not_here or row.permission == "knowledge.read"):
            path = row.full_path.replace("{name}", "other")
            status, answer = ask(node, path)
            assert status == 200, (row.name, answer)
            row.result.model_validate(answer)
    for row in analytics.ROWS:
        status, answer = ask(node, f"{row.full_path}?metric=memory&label=control" if "series" in row.name else row.full_path)
        assert status == 200, (row.name, answer)
        row.result.model_validate(answer)


def test_the_short_paths_have_exactly_their_json(node: Host) -> None:
    for row in short_paths.ROWS:
        status, answer = ask(node, row.full_path)
        assert status == 200, answer
        row.result.model_validate(answer)
        assert ask(node, row.full_path, local=False)[0] == 401
    crypto = ask(node, "/api/crypto/status")[1]
    assert crypto["initialized"] is True
    assert (crypto["kyberKeySize"], crypto["dilithiumKeySize"]) == (1568, 2592)
    assert crypto["production"] is False, "the identity lies in a file that is not encrypted"
    assert [peer["name"] for peer in ask(node, "/api/peers")[1]["list"]] == ["other"]


def test_each_operation_of_the_node_has_a_row_or_a_reason(node: Host) -> None:
    def hint() -> str:
        with pytest.raises(ControlError) as refused:
            client.call("nothing-of-the-kind")
        return refused.value.hint

    known = set(node.namespace.run(hint).removeprefix("there are: ").split(", "))
    rows = {row.name for row in ROWS if row.answered_by is AnsweredBy.NODE}
    assert known == rows | NOT_HERE.keys()


def test_a_stranger_gets_nothing_but_whether_the_node_is_there(node: Host) -> None:
    assert ask(node, "/health", local=False) == (200, {"status": "ok"})
    assert ask(node, "/ready", local=False) == (200, {"status": "ready"})
    for row in ROWS:
        if row.permission:
            status, problem = ask(node, row.full_path, "-X", row.verb, local=False)
            assert (status, problem["code"]) == (401, "Unauthenticated"), row.name


def test_the_command_asks_without_a_token_as_root(node: Host) -> None:
    answer = node.command("api", "status", "--json")
    assert json.loads(answer.stdout)["name"] == "host-1", answer.stderr
    refused = node.command("api", "status", "--url", "http://127.0.0.1:8470")
    assert refused.returncode == 6
    assert "token" in refused.stderr


def test_a_first_user_logs_in_from_the_network_and_a_restart_forgets_nobody(node: Host) -> None:
    def send(path: str, **body: str) -> tuple[int, Any]:
        return ask(node, path, "-X", "POST", "-H", "content-type: application/json", "-d", json.dumps(body), local=False)

    _, first = ask(node, "/api/v1/user-invitations/first", "-X", "POST")
    assert ask(node, "/api/v1/user-invitations/first", "-X", "POST", local=False)[0] == 401
    status, user = send("/api/v1/auth/register", code=first["code"], name="alice", password="correct horse battery")
    assert (status, user["roles"]) == (201, ["admin"])
    _, granted = send("/api/v1/auth/login", name="alice", password="correct horse battery")
    known = ("-H", f"authorization: Bearer {granted['access_token']}")
    assert ask(node, "/api/v1/status", *known, local=False)[0] == 200
    while ("user.login", "alice") not in audited(node):
        pass
    pid = node.status()["management"]["pid"]
    assert posted(node, (), "/api/v1/users", name="bob", password="correct horse battery", roles=["viewer"])[0] == 201
    os.kill(pid, signal.SIGKILL)
    node.hear(READY, times=2)
    while ("user.added", "host") not in audited(node):  # told after the kill, if not before
        pass
    assert ask(node, "/api/v1/users/profile", *known, local=False)[1]["name"] == "alice"
    assert send("/api/v1/auth/refresh", refresh_token=granted["refresh_token"])[0] == 200
    assert ("user.registered", "alice") in audited(node)
    log = node.heard.decode() + node.command("audit", "show", "--json").stdout
    assert not [secret for secret in (first["code"], granted["access_token"], granted["refresh_token"]) if secret in log]


def test_the_api_server_may_do_nothing_to_this_host(node: Host) -> None:
    pid = node.status()["management"]["pid"]
    told = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
    assert fields["Uid"].split()[0] != "0"
    assert int(fields["CapEff"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


DESCRIPTORS = 96
"""That a process may have open: an 8th of them is what counts as few."""
FEW = 11


def test_while_descriptors_are_few_strangers_are_turned_away_and_nobody_else(namespace: Throwaway) -> None:
    limited = ("sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "-")
    with managed(namespace, *limited) as node, ExitStack() as connections:
        known = logged_in(node, "vera", "viewer")
        used = len(list(Path(f"/proc/{node.status()['management']['pid']}/fd").iterdir()))
        for _ in range(DESCRIPTORS - used - FEW):
            connection = connections.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.connect(api_socket(node))
            connection.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: node\r\n\r\n")  # which lasts for ten minutes
        refused = eventually(lambda: ask(node, "/api/v1/auth/keys", local=False), lambda answer: answer[0] == 503)
        assert refused[1]["code"] == "Overloaded"
        assert "descriptors" in refused[1]["detail"]
        assert ask(node, "/health", local=False)[0] == 200
        assert ask(node, "/api/v1/status", *known, local=False)[0] == 200
        status, shown = ask(node, "/api/v1/server")
        assert (status, list(shown["short"])) == (200, ["descriptors"])
        assert shown["refused"]["short-descriptors"] >= 1
        eventually(node.status, lambda found: "descriptors" in found["management"]["short"])
        assert "host-short" in node.command("doctor", "--json").stdout
        connections.close()
        eventually(lambda: ask(node, "/api/v1/auth/keys", local=False), lambda answer: answer[0] == 200)


def eventually(look: Callable[[], Any], well: Callable[[Any], object]) -> Any:
    """What is seen once it is so."""
    deadline = time.monotonic() + 60
    while not well(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)  # who asks without a pause is told that he asks too much
    return seen


def test_a_plan_is_applied_only_while_it_is_the_plan(node: Host) -> None:
    before = node.profile.read_text()
    node.profile.write_text(before.replace("mtu: 1400", "mtu: 1300"))
    status, plan = ask(node, "/api/v1/node/plan")
    assert status == 200, plan
    assert [(each["key"], each["before"], each["after"]) for each in plan["changed"]] == [("network.mtu", 1400, 1300)]
    assert len(plan["steps"]) == plan["changes"] == 1
    node.profile.write_text(before.replace("mtu: 1400", "mtu: 1350"))
    apply = ["-X", "POST", "-H", "content-type: application/json", "-d", json.dumps({"plan": plan["name"]})]
    status, problem = ask(node, "/api/v1/node/reload", *apply)
    assert (status, problem["code"]) == (409, "PlanMoved")
    assert node.status()["interface"]["mtu"] == 1400
    node.profile.write_text(before.replace("mtu: 1400", "mtu: 1300"))
    status, done = ask(node, "/api/v1/node/reload", *apply)
    assert status == 200, done
    assert node.status()["interface"]["mtu"] == 1300


def test_a_change_that_another_approved_is_applied_and_nothing_else(node: Host) -> None:
    before = node.profile.read_text()
    node.profile.write_text(before.replace("mtu: 1400", "mtu: 1300"))
    alice, bob = logged_in(node, "alice", "operator"), logged_in(node, "bob", "operator")
    status, review = posted(node, alice, "/api/v1/reviews", title="smaller MTU")
    assert status == 201, review
    path = f"/api/v1/reviews/{review['id']}"
    assert posted(node, alice, f"{path}/apply")[1]["code"] == "ReviewClosed"
    assert posted(node, alice, f"{path}/approve")[1]["code"] == "OwnReview"
    assert posted(node, bob, f"{path}/approve", text="right", plan=review["plan"]["name"])[1]["state"] == "approved"
    node.profile.write_text(before.replace("mtu: 1400", "mtu: 1350"))
    assert posted(node, alice, f"{path}/apply")[1]["code"] == "PlanMoved"
    assert ask(node, path)[1]["state"] == "void"
    assert node.status()["interface"]["mtu"] == 1400

    status, review = posted(node, alice, "/api/v1/reviews", title="a little smaller")
    path = f"/api/v1/reviews/{review['id']}"
    assert posted(node, bob, f"{path}/approve")[0] == 200
    assert posted(node, alice, f"{path}/apply")[1]["review"]["state"] == "applied"
    assert node.status()["interface"]["mtu"] == 1350
    assert [each["state"] for each in ask(node, "/api/v1/reviews")[1]["items"]] == ["applied", "void"]


def test_a_websocket_brings_events_answers_and_what_others_say(node: Host) -> None:
    token = logged_in(node, "alice", "operator")[1].rpartition(" ")[2]

    def talk() -> list[Any]:
        with (
            connect("ws://127.0.0.1:8470/api/v1/ws") as stranger,
            connect("ws://127.0.0.1:8470/api/v1/ws", additional_headers={"authorization": f"Bearer {token}"}) as alice,
        ):
            stranger.send(json.dumps({"type": "authenticate", "token": "nobody's"}))
            with pytest.raises(ConnectionClosed) as refused:
                stranger.recv(60)
            assert refused.value.rcvd is not None
            heard: list[Any] = [refused.value.rcvd.code]
            for message in (
                {"type": "subscribe", "id": 1, "topics": ["events"]},
                {"type": "ask", "id": 2, "operation": "status"},
                {"type": "broadcast", "id": 3, "data": {"text": "tea"}},
            ):
                alice.send(json.dumps(message))
            while not {"answer", "event"} <= {each["type"] for each in heard[1:]}:
                heard.append(json.loads(alice.recv(60)))
            return heard

    code, welcome, *more = node.namespace.run(talk)
    assert (code, welcome["user"]) == (4401, "alice")
    by_type = {(each["type"], each.get("id")): each for each in more}
    assert by_type["answer", 2]["result"]["name"] == "host-1"
    assert by_type["event", 1]["event"]["data"]["data"] == {"text": "tea"}


def test_while_the_node_hangs_nobody_waits_for_it_and_what_is_old_says_so(node: Host) -> None:
    def look(path: str) -> tuple[int, dict[str, str], Any]:
        said = node.namespace.sh(f"curl -s -i --max-time 60 --unix-socket {api_socket(node)} http://node{path}")
        head, _, body = said.replace("\r", "").partition("\n\n")
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
        return int(head.split()[1]), fields, json.loads(body)

    assert node.process is not None
    before = look("/api/v1/status")[2]
    node.process.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as threads:
            waited = list(threads.map(look, ["/api/v1/status", *["/api/v1/node/profile"] * 2]))
        assert [status for status, _, _ in waited] == [200, 504, 504]
        status, fields, body = look("/api/v1/status")
        assert (status, body["identity"]) == (200, before["identity"])
        assert int(fields["age"]) >= 1
        assert "ttl=-" in fields["cache-status"]
        for path in ("/api/v1/node/profile", "/api/v1/node/health"):
            # at first it may be the question that tries
            _, fields, body = eventually(lambda path=path: look(path), lambda found: found[0] == 503)
            assert (body["code"], body["retryable"]) == ("NodeSilent", True)
            assert int(fields["retry-after"]) >= 1
        assert look("/ready")[0] == 503
        assert look("/health")[0] == 200
        assert look("/api/v1/server")[2]["node"]["opened"] == 1
    finally:
        node.process.send_signal(signal.SIGCONT)
    eventually(lambda: look("/api/v1/status"), lambda found: found[0] == 200 and "age" not in found[1])


def test_an_api_server_that_is_killed_comes_again_and_refuses_nobody_meanwhile(node: Host) -> None:
    os.kill(node.status()["management"]["pid"], signal.SIGKILL)
    assert ask(node, "/health", local=False)[0] == 200
    node.hear(READY, times=2)
    assert node.status()["management"]["restarts"] == 1


def test_a_node_that_is_killed_takes_its_api_server_along(node: Host) -> None:
    assert node.process is not None
    api_server = os.pidfd_open(node.status()["management"]["pid"])
    node.process.kill()
    node.process.wait()
    assert select.select([api_server], [], [], 60)[0]
    os.close(api_server)
    node.start()
    node.hear(READY)


def test_a_profile_without_the_section_ends_it(node: Host) -> None:
    node.profile.write_text(node.profile.read_text().replace("management: {}", ""))
    answer = node.command("apply", "--json")
    assert answer.returncode == 0, answer.stderr
    node.hear("the API server has ended")
    assert node.status()["management"] is None
