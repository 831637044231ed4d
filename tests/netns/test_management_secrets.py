"""Secrets of users, programs and the node, told once to whom they belong, are nowhere else afterwards: not in logs at their
loudest, in arguments or variables of processes, in answers, events, the audit log, or the files of the store."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from appliance.foundation import clock
from appliance.management.operations.row import Verb
from appliance.management.operations.table import ROWS
from tests.netns.daemons import Host
from tests.netns.test_jobs import stream
from tests.netns.test_management import READY, ask, posted
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

PASSWORD = "canary-Aq7xW2-of-alice"
OTHER = "canary-Zr5kT9-of-eve"
MISTYPED = "canary-Hd3mY6-in-the-wrong-place"
JSON = ("-H", "content-type: application/json")


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    """As loud as it can be, with every door open."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        namespace.sh("ip link set lo up && ip addr add 192.0.2.1/32 dev lo")
        host = Host(namespace, folder, 1)
        doors = 'management: {listen: ["127.0.0.1:8470", "192.0.2.1:8470"], grpc: ["127.0.0.1:8472"], limits: {requests: 0}}'
        host.write(Host(namespace, folder, 2), more=doors)
        host.start(APPLIANCE_LOG="trace")
        try:
            host.hear(READY)
            host.hear("a certificate is in use")
            yield host
        finally:
            if host.process is not None:
                host.stop()


class Told:
    """Secrets, by what they are."""

    def __init__(self) -> None:
        self.secrets: dict[str, bytes] = {}

    def keep(self, what: str, secret: str | bytes) -> str:
        """Look for it later."""
        raw = secret.encode() if isinstance(secret, str) else secret
        assert len(raw) >= 6, what
        self.secrets[what] = raw
        return secret if isinstance(secret, str) else ""

    def found_in(self, place: str, data: bytes) -> list[str]:
        """What of them is there, as it is or in a usual coding of bytes."""
        return [f"{what} in {place}" for what, raw in self.secrets.items() if any(form in data for form in forms(raw))]


def forms(raw: bytes) -> set[bytes]:
    """As it is, in hexadecimal digits, and within base64 of something longer, wherever it begins there."""
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    if len(raw) >= 12:  # shorter ones have too little left
        for shift in range(3):
            coded = base64.b64encode(bytes(shift) + raw)
            found.add(coded[4 if shift else 0 : len(coded) // 4 * 4 - 4])
            found.add(found_url(coded[4 if shift else 0 : len(coded) // 4 * 4 - 4]))
    return found


def found_url(coded: bytes) -> bytes:
    return coded.replace(b"+", b"-").replace(b"/", b"_")


def test_a_secret_is_told_once_and_is_nowhere_afterwards(node: Host) -> None:
    told = Told()
    told.keep("password", PASSWORD)
    told.keep("password of another", OTHER)
    told.keep("password in the wrong place", MISTYPED)
    alice, eve = use_everything(node, told)
    mistakes(node, alice)
    ended = run_a_job(node, alice)
    keys_of_the_host(node, told)
    assert len(told.secrets) >= 18

    places = [("events", json.dumps(stream(node, "/api/v1/events", re.escape(ended) + r'.*"succeeded"')).encode())]
    audit = node.command("audit", "show", "--json")
    assert audit.returncode == 0, audit.stderr
    places += [("the audit log", audit.stdout.encode())]
    places += [("status", node.command("status", "--json").stdout.encode()), ("doctor", node.command("doctor").stdout.encode())]
    for caller, known in (("a viewer", eve), ("an admin", alice)):
        places += [(f"{path} for {caller}", answer) for path, answer in answers(node, known)]
    places += [*processes(node), *files(node)]
    node.stop()
    places += [("the log", node.heard)]
    assert not [leak for place, data in places for leak in told.found_in(place, data)]

    control = Told()
    control.keep("a name that is no secret", 'alice"')
    seen = {place for place, data in places if control.found_in(place, data)}
    assert seen >= {"events", "the audit log", "/api/v1/users for an admin", "the log"}, "so what is there is found"
    loud = [data for place, data in places if place.startswith("environ") and b"APPLIANCE_LOG=trace" in data]
    assert len(loud) >= 2, "daemon and API server tell all that they tell"


# ---- what is told ----


def use_everything(node: Host, told: Told) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ways in, each used. Returns an admin and a viewer, as the header that says who it is."""
    _, first = posted(node, (), "/api/v1/user-invitations/first")
    told.keep("first code", first["code"])
    assert stranger(node, "/api/v1/auth/register", code=first["code"], name="alice", password=PASSWORD)[0] == 201
    granted = logged_in(node, told, "alice", PASSWORD)
    alice = header(granted["access_token"])
    _, invited = posted(node, alice, "/api/v1/user-invitations", roles=["viewer"])
    told.keep("invitation", invited["code"])
    assert stranger(node, "/api/v1/auth/register", code=invited["code"], name="eve", password=OTHER)[0] == 201
    eve = header(logged_in(node, told, "eve", OTHER)["access_token"])

    _, token = posted(node, alice, "/api/v1/tokens", name="backup", scopes=["node.read", "jobs.run", "jobs.read"])
    told.keep("API token", token["token"])
    told.keep("client secret", token["client_secret"])
    form = ("-d", f"grant_type=client_credentials&client_id={token['accessor']}&client_secret={token['client_secret']}")
    _, client = ask(node, "/api/v1/auth/token", *form, local=False)
    told.keep("access token of a client", client["access_token"])
    assert ask(node, "/api/v1/status", *header(token["token"]), local=False)[0] == 200

    _, begun = posted(node, alice, "/api/v1/users/profile/second-factor", password=PASSWORD)
    told.keep("second factor", begun["secret"])
    code = TOTP(base64.b32decode(begun["secret"]), 6, SHA1(), 30).generate(clock.wall()).decode()
    put = ("-X", "PUT", *JSON, "-d", json.dumps({"code": code}))
    _, codes = ask(node, "/api/v1/users/profile/second-factor", *put, *alice, local=False)
    for number, each in enumerate(codes["recovery_codes"]):
        told.keep(f"recovery code {number}", each)
    again = logged_in(node, told, "alice", PASSWORD, code=codes["recovery_codes"][0])
    assert stranger(node, "/api/v1/auth/refresh", refresh_token=again["refresh_token"])[0] == 200
    return header(again["access_token"]), eve


def logged_in(node: Host, told: Told, name: str, password: str, **more: str) -> Any:
    status, granted = stranger(node, "/api/v1/auth/login", name=name, password=password, **more)
    assert status == 200, granted
    told.keep(f"access token of {name} {more}", granted["access_token"])
    told.keep(f"refresh token of {name} {more}", granted["refresh_token"])
    return granted


def stranger(node: Host, path: str, **body: Any) -> tuple[int, Any]:
    return ask(node, path, "-X", "POST", *JSON, "-d", json.dumps(body), local=False)


def header(token: str) -> tuple[str, str]:
    return "-H", f"authorization: Bearer {token}"


def mistakes(node: Host, alice: tuple[str, ...]) -> None:
    """What people do with a password in a hurry, and what programs do wrong. Each is refused."""
    bodies = [
        {"name": MISTYPED, "password": "wrong password"},
        {"name": "alice", "password": [MISTYPED]},
        {"name": "alice", "password": {"a": MISTYPED}},
        {"name": "alice", "password": "wrong password", "code": MISTYPED},
        {"name": "alice", "password": "wrong password", MISTYPED: 1},
        {"name": ["alice"], "password": MISTYPED * 20},
    ]
    texts = [*map(json.dumps, bodies), f'{{"name": "alice", "password": "{MISTYPED}"', f'"{MISTYPED}"']
    for text in texts:
        for path in ("auth/login", "auth/register", "auth/refresh", "auth/token"):
            assert ask(node, f"/api/v1/{path}", "-X", "POST", *JSON, "-d", text, local=False)[0] in {400, 401, 403, 415, 422, 429}
    for path in ("users/profile/password", "users/profile/second-factor"):
        assert posted(node, alice, f"/api/v1/{path}", password=[MISTYPED], old=MISTYPED, new=7)[0] in {400, 404, 405, 422}
    for more in (header(MISTYPED), ("-H", f"authorization: Basic {MISTYPED}"), ("-H", f"authorization: {MISTYPED}")):
        assert ask(node, "/api/v1/status", *more, local=False)[0] == 401
    assert ask(node, f"/api/v1/status?access_token={MISTYPED}", local=False)[0] == 401
    assert ask(node, f"/api/v1/users?{MISTYPED}=1", *alice, local=False)[0] in {400, 422}

    def say() -> None:
        with connect("ws://127.0.0.1:8470/api/v1/ws") as socket:
            socket.send(json.dumps({"type": "authenticate", "token": MISTYPED}))
            with pytest.raises(ConnectionClosed):
                socket.recv(60)

    node.namespace.run(say)


def run_a_job(node: Host, alice: tuple[str, ...]) -> str:
    """To its end. Returns its id."""
    status, begun = posted(node, alice, "/api/v1/templates/execute", template="health-check", parameters={})
    assert status == 202, begun
    stream(node, f"/api/v1/templates/stream/{begun['id']}", r'"state": "succeeded", "error.*\n')
    return str(begun["id"])


def keys_of_the_host(node: Host, told: Told) -> None:
    """The node's identity, the key of the store, and that of the certificate."""
    pem = node.identity.to_pem()
    told.keep("identity", b"".join(line for line in pem.splitlines() if not line.startswith(b"-"))[40:200])
    (key,) = (disk_of(node) / "store").glob("key-*")
    told.keep("key of the store", key.read_bytes().strip())
    keys = tls_keys(node)
    assert keys
    for number, path in enumerate(keys):
        private = load_pem_private_key(path.read_bytes(), None)
        der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        told.keep(f"key of the certificate {number}", der[-100:][:32])


# ---- where it is looked for ----


def answers(node: Host, known: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Of all rows that only read, with what is there as arguments."""
    paths = {"{name}": "alice", "{accessor}": "0001020304050607", "{which}": "x", "{number}": "1", "{executionId}": "x"}
    for row in ROWS:
        if row.verb is Verb.GET and not row.stream:
            path = re.sub(r"\{\w+\}", lambda found: paths.get(found[0], "x"), row.full_path)
            yield path, json.dumps(ask(node, path, *known, local=False)).encode()
    for path in ("/api/v1/node/debug/memory", "/api/v1/openapi.json", "/metrics", "/"):
        yield path, node.namespace.sh(f"curl -s --max-time 60 http://127.0.0.1:8470{path}").encode()


def processes(node: Host) -> Iterator[tuple[str, bytes]]:
    """Arguments and variables of the daemon and all below it."""
    assert node.process is not None
    waiting = [node.process.pid]
    while waiting:
        pid = waiting.pop()
        waiting += map(int, children(pid))
        for what in ("cmdline", "environ"):
            yield f"{what} of {pid}", Path(f"/proc/{pid}/{what}").read_bytes()
    api_server = node.status()["management"]["pid"]
    owner = Path(f"/proc/{api_server}/mem").stat().st_uid
    assert owner == 0, "it is not dumpable: there is no core of it, and its own user reads no memory of it"


def children(pid: int) -> list[str]:
    return [word for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()]


def disk_of(host: Host) -> Path:
    return host.kept.with_name(f"{host.kept.name}-api")


def tls_keys(node: Host) -> list[Path]:
    return [path for path in disk_of(node).rglob("*.pem") if b"PRIVATE KEY" in path.read_bytes()]


def files(node: Host) -> Iterator[tuple[str, bytes]]:
    """All that is kept, but the keys themselves."""
    own = {*(disk_of(node) / "store").glob("key-*"), *tls_keys(node)}
    for root in (disk_of(node), node.kept):
        for path in root.rglob("*"):
            if path.is_file() and path not in own:
                yield str(path), path.read_bytes()
    for path in own:
        assert path.stat().st_mode & 0o077 == 0, f"{path} is for its owner alone"
