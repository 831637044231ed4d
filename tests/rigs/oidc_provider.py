"""A provider of OpenID Connect at a port of loopback, which tests make lie, change its keys, and hang.

Who comes to its page is logged in at once, as `claims` say. The token endpoint is as strict as OAuth 2 wants: codes are good
once, and for whom they were made, with the PKCE verifier and the client's secret.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

CLIENT, SECRET = "appliance", "a secret: with + and %"
USER_CODE, DEVICE_CODE = "WDJB-MJHT", "device-code"


class OidcProvider(ThreadingHTTPServer):
    """What it says can be changed at any time."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}"
        self.clock: Callable[[], float] = time.time
        self.claims: dict[str, Any] = {"sub": "4711", "preferred_username": "Alice", "groups": ["staff"]}
        """Of who comes to the page, and whatever else the ID token is to have; None as a value: it has it not."""
        self.about: dict[str, Any] = {}
        """What the discovery document says otherwise."""
        self.jwks: dict[str, Any] | None = None
        """The keys, if they are not those that sign."""
        self.sign: Callable[[Mapping[str, Any]], str] = self._sign
        self.answers: dict[str, tuple[int, bytes]] = {}
        """By path: what is answered instead."""
        self.hanging: set[str] = set()
        """Paths without an answer."""
        self.let_go = threading.Event()
        self.asked: list[str] = []
        """Paths that were asked for."""
        self.approved = False
        """Did the user of the device say yes?"""
        self._codes: dict[str, dict[str, str]] = {}
        self.rotate()

    def rotate(self) -> None:
        """Sign by a new key from now on."""
        self.key = Ed25519PrivateKey.generate()
        public = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.kid = hashlib.sha256(json.dumps(public).encode()).hexdigest()[:8]
        self.public = {**public, "kid": self.kid, "use": "sig", "alg": "EdDSA"}

    def _sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self.key, "EdDSA", {"kid": self.kid})

    def document(self) -> dict[str, Any]:
        """Of discovery."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "device_authorization_endpoint": f"{self.issuer}/device",
            "code_challenge_methods_supported": ["S256"],
            **self.about,
        }

    def come(self, asked: Mapping[str, str]) -> str:
        """Somebody is on the page, and logs in. Returns where he goes."""
        code = f"code-{len(self._codes)}"
        self._codes[code] = dict(asked)
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def tokens(self, form: Mapping[str, str], basic: str) -> tuple[int, dict[str, Any]]:
        """What the token endpoint answers."""
        said = (form.get("client_id", ""), form.get("client_secret", ""))
        if basic:
            client, _, secret = base64.b64decode(basic).decode().partition(":")
            said = unquote_plus(client), unquote_plus(secret)
        if said != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "authorization_code":
            asked = self._codes.pop(form["code"], None)
            verifier = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
            if asked is None or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != verifier.decode():
                return 400, {"error": "invalid_grant"}
            return 200, {"id_token": self._id_token(asked["nonce"]), "access_token": "a", "token_type": "Bearer"}
        if form["device_code"] != DEVICE_CODE:
            return 400, {"error": "invalid_grant"}
        if not self.approved:
            return 400, {"error": "authorization_pending"}
        return 200, {"id_token": self._id_token(None), "access_token": "a", "token_type": "Bearer"}

    def _id_token(self, nonce: str | None) -> str:
        now = int(self.clock())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **self.claims}
        return self.sign({name: value for name, value in claims.items() if value is not None})


class _Handler(BaseHTTPRequestHandler):
    server: OidcProvider

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if self._instead(path):
            return
        if path == "/.well-known/openid-configuration":
            self._json(200, self.server.document())
        elif path == "/jwks":
            self._json(200, self.server.jwks or {"keys": [self.server.public]})
        elif path == "/authorize":
            self.send_response(302)
            self.send_header("location", self.server.come(query))
            self.end_headers()
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if self._instead(path):
            return
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if path == "/device":
            said = {"device_code": DEVICE_CODE, "user_code": USER_CODE, "verification_uri": f"{self.server.issuer}/enter"}
            self._json(200, {**said, "expires_in": 300, "interval": 1})
        else:
            basic = self.headers.get("authorization", "").removeprefix("Basic ")
            self._json(*self.server.tokens(form, basic))

    def _instead(self, path: str) -> bool:
        self.server.asked.append(path)
        if path in self.server.hanging:
            self.server.let_go.wait(60)
            return True
        if path not in self.server.answers:
            return False
        status, raw = self.server.answers[path]
        self.send_response(status)
        self.send_header("location", f"{self.server.issuer}/elsewhere")
        self.end_headers()
        self.wfile.write(raw)
        return True

    def _json(self, status: int, said: Mapping[str, Any]) -> None:
        raw = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def oidc_provider() -> Iterator[OidcProvider]:
    """One that runs."""
    with OidcProvider() as provider:
        thread = threading.Thread(target=provider.serve_forever, args=(0.01,), name="oidc-provider", daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            provider.let_go.set()
            provider.shutdown()
            thread.join(60)


if __name__ == "__main__":
    with OidcProvider(int(sys.argv[1])) as served:
        print("ready", flush=True)
        served.serve_forever()
