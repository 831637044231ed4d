"""The sample for FastAPI: callers by tokens that the API server's own code issues, and in the end by a real node."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI

from appliance import sdk
from appliance.management.iam.signing_keys import Ring, rotated
from appliance.management.iam.tokens import Access, Realm, issue
from appliance.sdk.tracing import current
from examples.management import PASSWORD, Api, trial

SAMPLE = Path(__file__).parents[3] / "examples/frameworks/fastapi"
REALM = Realm("urn:appliance:node", "appliance")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def ring(seed: int) -> Ring:
    return Ring(rotated((), bytes([seed]) * 32, int(time.time())))


OURS = ring(1)


@pytest.fixture(scope="module")
def sample() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SAMPLE))
    try:
        yield importlib.import_module("appliance_fastapi")
    finally:
        sys.path.remove(str(SAMPLE))
        for name in [name for name in sys.modules if name.split(".")[0] in {"appliance_fastapi", "example"}]:
            del sys.modules[name]


class Server:
    """The API server, as far as others fetch its keys. Time is what `now` says."""

    def __init__(self, sample: ModuleType) -> None:
        self.keys = OURS.jwks(time.time())
        self.there = True
        self.asked = 0
        self.now = 0.0
        self.callers = sample.Callers("http://node/", self.client(), issuer=REALM.issuer, now=lambda: self.now)

    def client(self) -> httpx.AsyncClient:
        def answer(request: httpx.Request) -> httpx.Response:
            assert request.url.path == "/api/v1/auth/keys"
            self.asked += 1
            return httpx.Response(200, json=self.keys) if self.there else httpx.Response(502, text="<html>")

        return httpx.AsyncClient(transport=httpx.MockTransport(answer))


@pytest.fixture
def server(sample: ModuleType) -> Server:
    return Server(sample)


def token(*, by: Ring = OURS, realm: Realm = REALM, age: int = 0, scopes: tuple[str, ...] = (), **more: Any) -> str:
    issued = int(time.time()) - age
    accessor, family = ("a" * 16, "") if scopes else ("", "f")
    said = {"roles": ("operator",), **more}
    return issue(Access("u1", 1, said["roles"], "j", issued, issued + 600, family, accessor, scopes), realm, by)


def forged(key: Any, algorithm: str, **header: Any) -> str:
    claims = {"iss": REALM.issuer, "aud": REALM.audience, "sub": "u1", "iat": int(time.time()), "exp": int(time.time()) + 600}
    kid = OURS.keys[0].kid
    return jwt.encode(claims, key, algorithm, {"typ": "at+jwt", "kid": kid, **header})


async def test_a_user_and_a_program_are_known(server: Server) -> None:
    user = await server.callers.known(f"Bearer {token()}")
    assert (user.user, user.roles, user.scopes) == ("u1", ("operator",), None)
    assert user.token not in repr(user)
    program = await server.callers.known(f"bearer {token(scopes=('node.read',))}")
    assert program.scopes == ("node.read",)
    assert user.may(("operator",), "node.change")
    assert not user.may(("admin",), "node.change")
    assert not program.may(("operator",), "node.change")
    assert server.asked == 1


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic dTpw",
        "Bearer ",
        "Bearer a.b.c",
        f"Bearer {'a' * 9000}",
        f"Bearer {token(age=700)}",
        f"Bearer {token(by=ring(2))}",
        f"Bearer {token(realm=Realm('urn:appliance:other', 'appliance'))}",
        f"Bearer {token(realm=Realm('urn:appliance:node', 'another'))}",
        f"Bearer {forged(OURS.signer[1], 'EdDSA', typ='JWT')}",
        f"Bearer {forged('x' * 32, 'HS256')}",
        f"Bearer {forged(None, 'none')}",
        f"Bearer {forged(OURS.signer[1], 'EdDSA', kid='unknown')}",
    ],
)
async def test_anybody_else_is_not(sample: ModuleType, server: Server, header: str) -> None:
    with pytest.raises(sample.Refused) as refused:
        await server.callers.known(header)
    assert refused.value.status == 401


async def test_a_new_key_is_fetched_and_made_up_ones_make_nobody_fetch(sample: ModuleType, server: Server) -> None:
    await server.callers.known(f"Bearer {token()}")
    other = ring(3)
    server.keys = {"keys": [*OURS.jwks(time.time())["keys"], *other.jwks(time.time())["keys"], {"kty": "RSA", "kid": "r"}]}
    server.now = 11.0
    await server.callers.known(f"Bearer {token(by=other)}")
    assert server.asked == 2
    for number in range(20):
        with pytest.raises(sample.Refused):
            await server.callers.known(f"Bearer {token(by=ring(100 + number))}")
    assert server.asked == 2


async def test_a_key_that_was_taken_away_is_believed_no_longer(sample: ModuleType, server: Server) -> None:
    await server.callers.known(f"Bearer {token()}")
    server.keys, server.now = ring(3).jwks(time.time()), 301.0
    with pytest.raises(sample.Refused):
        await server.callers.known(f"Bearer {token()}")


async def test_without_the_api_server_the_keys_stay_for_a_while(sample: ModuleType, server: Server) -> None:
    await server.callers.known(f"Bearer {token()}")
    server.there, server.now = False, 890.0
    await server.callers.known(f"Bearer {token()}")
    server.now = 901.0
    with pytest.raises(sample.Refused) as refused:
        await server.callers.known(f"Bearer {token()}")
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "10"})
    server.there, server.now = True, 912.0
    await server.callers.known(f"Bearer {token()}")


async def asked(app: FastAPI, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        return await client.get(path, headers=headers)


async def test_an_application_knows_its_callers_and_carries_traces_on(sample: ModuleType, server: Server) -> None:
    appliance = sample.Appliance("http://node", http=server.client, node=None)
    app = FastAPI(lifespan=appliance.lifespan)
    appliance.install(app)
    app.get("/trace")(current)
    app.get("/change", dependencies=[sample.allowed("operator", scope="node.change")])(lambda: "done")
    async with appliance.lifespan(app):
        stranger = await asked(app, "/change")
        assert (stranger.status_code, stranger.headers["www-authenticate"]) == (401, "Bearer")
        assert stranger.headers["content-type"] == "application/problem+json"
        assert stranger.json()["code"] == "Unauthenticated"
        assert (await asked(app, "/change", authorization=f"Bearer {token(roles=('viewer',))}")).json()["code"] == "Forbidden"
        assert (await asked(app, "/change", authorization=f"Bearer {token()}")).status_code == 200
        told = await asked(app, "/trace", traceparent=TRACE)
        assert told.json() == told.headers["traceparent"]
        assert told.json()[:36] == TRACE[:36]
        assert told.json()[36:52] != TRACE[36:52]
        for odd in ("", "00-" + "0" * 32 + TRACE[35:], "ff" + TRACE[2:], TRACE + "-more"):
            assert (await asked(app, "/trace", traceparent=odd)).json()[3:35] != TRACE[3:35]


async def test_what_the_node_says_is_passed_on(sample: ModuleType, server: Server, tmp_path: Path) -> None:
    appliance = sample.Appliance("http://node", http=server.client, node=lambda: sdk.Client(str(tmp_path / "nobody")))
    app = FastAPI(lifespan=appliance.lifespan)
    appliance.install(app)

    async def raised(kind: str) -> None:
        raise getattr(sdk, kind)("no", hint="do")

    async def peers() -> int:
        return len(await app.state.node.peers())

    app.get("/peers")(peers)
    app.get("/raised")(raised)
    async with appliance.lifespan(app):
        for kind, status in [("UnknownPeer", 404), ("AccessDenied", 403), ("DeadlineExceeded", 504), ("ServiceBusy", 503)]:
            told = await asked(app, f"/raised?kind={kind}")
            assert (told.status_code, told.json()["code"], told.json()["hint"]) == (status, kind, "do")
        gone = await asked(app, "/peers")
        assert (gone.status_code, gone.json()["code"]) == (503, "NoDaemon")


@pytest.mark.timeout(300)
async def test_the_example_at_a_real_node(sample: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with trial() as (port, code, profile):
        Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
        access = Api(port).ask("POST", "/auth/login", name="alice", password=PASSWORD)["access_token"]
        monkeypatch.setenv("API_SERVER", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("CONTROL_SOCKET", str(profile.parent / "run.control"))
        example = importlib.import_module("example")
        async with example.appliance.lifespan(example.app):
            assert (await asked(example.app, "/peers")).status_code == 401
            me = await asked(example.app, "/me", authorization=f"Bearer {access}")
            assert me.json()["roles"] == ["admin"]
            peers = await asked(example.app, "/peers", authorization=f"Bearer {access}")
            assert peers.json() == [{"name": "other", "connected": False}]
