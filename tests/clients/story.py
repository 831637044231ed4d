"""The story that each client tells: log-in, a read, a list in pages, a refused call, a job with its events, a stream that is cut
and goes on. A real node answers, and proxies before it misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from examples.management import PASSWORD, Api, trial
from tests.clients import proxies

USERS = ["alice", "u1", "u2", "u3", "u4", "u5"]
EVENTS = [[str(number), kind] for number, kind in enumerate(("state", "state", "step", "step", "state"), 1)]


class Scene(NamedTuple):
    """Where everything is that the story happens with."""

    url: str
    """The API server. `name` and `password` log in there as an admin."""
    name: str
    password: str
    cutting: str
    """The same, but streams break off in the middle of each third event."""
    busy: str
    """The same, but only each third request gets through; the others are answered with 503 and `Retry-After: 0`."""
    gone: str
    """Nobody is there."""
    socket: str
    """The Unix socket, where root needs no token."""
    tls: str
    """The same over TLS; only for languages with `pin` or `authority`."""
    pin: str
    """The right one: sha256/…"""
    wrong: str
    """Another key's pin."""
    authority: str
    """A file in PEM with the authority that vouches for the certificate."""
    mutual: str
    """As `tls`, but only clients get in who show that certificate; only for languages with `certificate`."""
    key: str
    """A file in PEM with its key."""


def expected(abilities: frozenset[str]) -> dict[str, Any]:
    """What a story tells, key by key."""
    told: dict[str, Any] = {
        "user": "alice",  # users.profile, as whoever logged in
        "node": "trial",  # status: its name
        "users": USERS,  # users.list, all names, two a page
        "refused": [404, "NoSuchRecord", True, True],  # users.get "nobody": status, code; it has a hint, and a request's id
        "stranger": [401, "Unauthenticated"],  # status without a token: status and code
        "events": EVENTS,  # templates.execute "health-check", then templates.stream to its end: id and event of each
        "state": "succeeded",  # templates.status of that execution
        "resumed": EVENTS,  # the same stream again, by the proxy that cuts it
        "busy": "trial",  # status, by the proxy that is busy
        "gone": True,  # where nobody is, the client's error for broken connections (not the one for problems)
    }
    if "key" in abilities:
        told["once"] = True  # templates.execute twice with one Idempotency-Key: one execution
    if "socket" in abilities:
        told["socket"] = "trial"  # status by the Unix socket, without a token
    if "pin" in abilities:
        told["pinned"] = "trial"  # status over TLS, with the pin
        told["mispinned"] = True  # with the wrong pin: the client's error for broken connections
    if "authority" in abilities:
        told["authority"] = "trial"  # status over TLS, with the authority
        told["unknown"] = True  # without it: the client's error for broken connections
    if "certificate" in abilities:
        told["mutual"] = "trial"  # status where the client has to show a certificate
        told["nobody"] = True  # without one: the client's error for broken connections
    return told


@contextmanager
def scene(folder: Path) -> Iterator[Path]:
    """Play it; the file that tells the programs of it."""
    with trial() as (port, code, profile), ExitStack() as stack:
        api = Api(port)
        api.ask("POST", "/auth/register", code=code, name=USERS[0], password=PASSWORD)
        alice = api.log_in(USERS[0])
        for name in USERS[1:]:
            alice.ask("POST", "/users", name=name, password=PASSWORD, roles=["viewer"])
        certificate = proxies.certificate(folder)
        told = Scene(
            f"http://127.0.0.1:{port}",
            USERS[0],
            PASSWORD,
            f"http://127.0.0.1:{stack.enter_context(proxies.cutting(port))}",
            f"http://127.0.0.1:{stack.enter_context(proxies.busy(port))}",
            "http://127.0.0.1:1",
            str(profile.parent / "run.api"),
            f"https://localhost:{stack.enter_context(proxies.tls(port, certificate))}",
            certificate.pin,
            "sha256/" + "A" * 43 + "=",
            str(certificate.file),
            f"https://localhost:{stack.enter_context(proxies.tls(port, certificate, mutual=True))}",
            str(certificate.key),
        )
        file = folder / "scene.json"
        file.write_text(json.dumps(told._asdict()))
        yield file
