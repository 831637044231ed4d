"""The export against a real web server, which judges the signature as its library would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.api.event_exports import ExportKind
from appliance.api.management import Refused
from appliance.testing.api_parts import FakeApiServices
from appliance.testing.conformance.event_export import EventExportConformance, event
from appliance_export_webhook.export import opened
from appliance_export_webhook.plugin import appliance_event_exports
from appliance_export_webhook.settings import WebhookSettings

SECRET = b"0123456789abcdef0123456789abcdef"
WRITTEN = f"whsec_{base64.b64encode(SECRET).decode()}"


class Hook(ThreadingHTTPServer):
    """Keeps what comes with a good signature."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.ids: list[str] = []
        self.status = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/events?from=node"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
        good = self.headers["webhook-signature"] == f"v1,{wanted}" and self.path == "/events?from=node"
        status = self.server.status if good else 401
        if status < 300:
            self.server.bodies.append(body)
            self.server.ids.append(str(self.headers["webhook-id"]))
        self.send_response(status)
        if status == 302:
            self.send_header("location", self.server.url)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        yield hook
        hook.shutdown()


def services(secret: str = WRITTEN) -> FakeApiServices:
    return FakeApiServices({"file:/secret": secret})


def settings(hook: Hook, **more: Any) -> WebhookSettings:
    return WebhookSettings.model_validate({"url": hook.url, "secret": "file:/secret", **more})


class TestWebhook(EventExportConformance):
    @pytest.fixture(autouse=True)
    def _has_a_hook(self, hook: Hook) -> None:
        self.hook = hook

    def kind(self) -> ExportKind:
        return next(iter(appliance_event_exports()))

    def settings(self) -> Mapping[str, Any]:
        return {"url": self.hook.url, "secret": "file:/secret"}

    def services(self) -> FakeApiServices:
        return services()

    async def arrived(self, number: int) -> Sequence[bytes]:
        found = [json.loads(body) for body in self.hook.bodies]
        assert {each["node"] for each in found} == {"node"}
        events = [json.dumps(one).encode() for each in found for one in each["events"]]
        assert len(events) == number
        return events


async def test_what_is_sent_again_has_the_same_id(hook: Hook) -> None:
    async with opened(settings(hook), services()) as export:
        for _ in range(2):
            await export.send([event(3), event(4)])
        await export.send([event(5)])
    assert hook.ids[0] == hook.ids[1] != hook.ids[2]


async def test_only_wanted_kinds_are_sent(hook: Hook) -> None:
    async with opened(settings(hook, kinds=["jobs", "node.health"]), services()) as export:
        await export.send([event(1, "jobs.succeeded"), event(2, "jobsx"), event(3, "node.health"), event(4, "node.peer")])
        await export.send([event(5, "audit.written")])
    assert [[one["id"] for one in json.loads(body)["events"]] for body in hook.bodies] == [[1, 3]]


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_an_answer_that_is_not_2xx_means_that_they_are_not_there(hook: Hook, status: int) -> None:
    hook.status = status
    async with opened(settings(hook), services()) as export:
        with pytest.raises(Refused, match=f"answered {status}"):
            await export.send([event(1)])
    assert not hook.bodies


async def test_another_secret_is_refused_by_the_other_side(hook: Hook) -> None:
    async with opened(settings(hook), services("another secret of enough bytes")) as export:
        with pytest.raises(Refused, match="answered 401"):
            await export.send([event(1)])


@pytest.mark.parametrize("secret", ["short", "whsec_c2hvcnQ=", "whsec_***"])
async def test_a_secret_that_is_none_is_refused_and_not_shown(hook: Hook, secret: str) -> None:
    with pytest.raises(Refused, match="has less than 24 bytes") as raised:
        async with opened(settings(hook), services(secret)):
            pass
    assert secret not in str(raised.value)


async def test_a_server_that_is_not_there_is_said(hook: Hook) -> None:
    hook.server_close()
    gone = WebhookSettings(url="http://127.0.0.1:1/", secret="file:/secret")
    async with opened(gone, services()) as export:
        with pytest.raises(Refused, match="cannot be reached"):
            await export.send([event(1)])


@pytest.mark.parametrize("url", ["http://hooks.example.net/", "ftp://h/", "https://u:p@h/", "https:///x", "https://h/#x", "x"])
def test_a_url_that_leaks_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url: "):
        WebhookSettings(url=url, secret="file:/secret")


def test_in_clear_only_where_the_admin_says_so() -> None:
    assert WebhookSettings(url="http://10.0.0.1/", secret="file:/secret", plain=True).plain
    assert WebhookSettings(url="http://localhost:8000/", secret="file:/secret").url
