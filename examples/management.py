"""Manage a node over HTTP, as a program of any language would: users, tokens, a job, and a change that another has to approve.

python examples/management.py trial    a node of its own on this machine, without root, gone afterwards
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "correct horse battery staple"


class Api:
    """Asks one API server, as whoever the token belongs to."""

    def __init__(self, port: int, token: str = "") -> None:
        self._port = port
        self._token = token

    def ask(self, verb: str, path: str, **body: Any) -> Any:
        """The answer; ends the program with the reason if it is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        if verb != "GET":
            headers["content-type"] = "application/json"
        connection.request(verb, f"/api/v1{path}", json.dumps(body) if verb != "GET" else None, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status >= 400:
            sys.exit(f"{verb} {path}: {said['detail']}\n{said['hint']}")
        return said

    def follow(self, path: str) -> Iterator[tuple[str, Any]]:
        """Events of a stream, to its end (server-sent events)."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", f"/api/v1{path}", headers={"authorization": f"Bearer {self._token}"})
        kind = ""
        for line in connection.getresponse():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)

    def log_in(self, name: str) -> Api:
        """The same, as that user."""
        return Api(self._port, self.ask("POST", "/auth/login", name=name, password=PASSWORD)["access_token"])


def tour(api: Api, code: str, profile: Path) -> None:
    """What an admin does on the first day."""
    api.ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
    alice = api.log_in("alice")
    print(
        "first user:", alice.ask("GET", "/users/profile")["name"], "with the roles", *alice.ask("GET", "/users/profile")["roles"]
    )
    alice.ask("POST", "/users", name="bob", password=PASSWORD, roles=["operator"])
    bob = api.log_in("bob")
    print("node:", alice.ask("GET", "/status")["state"])

    job = bob.ask("POST", "/templates/execute", template="health-check", parameters={"patience": 10})
    for kind, event in bob.follow(f"/templates/stream/{job['id']}"):
        print("job:", kind, event.get("state") or event.get("name") or event.get("text") or "")

    profile.write_text(profile.read_text().replace("keepalive: 20s", "keepalive: 10s"))
    review = bob.ask("POST", "/reviews", title="say sooner that we are here")
    print("review:", *(f"{each['key']}: {each['before']} -> {each['after']}" for each in review["plan"]["changed"]))
    alice.ask("POST", f"/reviews/{review['id']}/approve", text="right", plan=review["plan"]["name"])
    done = bob.ask("POST", f"/reviews/{review['id']}/apply")
    print("review:", done["review"]["state"], "after", *(f"{each['by']}: {each['deed']}," for each in done["review"]["messages"]))


@contextmanager
def trial(more: str = "") -> Iterator[tuple[int, str, Path]]:
    """A node of its own: its port, the code of the first user, and its profile. `more` keys of the section `management`."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        places = os.environ | {"STATE_DIRECTORY": f"{folder}/kept", "APPLIANCE_STATE_DIR": f"{folder}/run"}
        appliance = [sys.executable, "-m", "appliance.cli"]
        profile = Path(folder, "profile.yaml")
        identity = Path(folder, "other")
        for name in ("identity", "other"):
            subprocess.run([*appliance, "keys", "new", f"{folder}/{name}"], check=True, capture_output=True)
        other = subprocess.run(
            [*appliance, "keys", "show", str(identity)], check=True, capture_output=True, text=True
        ).stdout.split()[0]
        profile.write_text(
            f"profile: 1\nname: trial\nserver: {{identity: file:identity}}\nnetwork: {{addresses: [10.77.0.1/24]}}\n"
            f'management: {{listen: ["127.0.0.1:{port}"], {more}}}\n'
            f'peers: [{{name: other, identity: {other}, allowed: [10.77.0.2/32], keepalive: 20s, endpoints: ["udp://127.0.0.1:9"]}}]\n'
        )
        Path(folder).chmod(0o755)  # where root runs this, the API server has a user of its own
        node = subprocess.Popen([*appliance, "run", "--userspace", str(profile)], env=places, stderr=subprocess.PIPE)
        assert node.stderr is not None
        try:
            for line in node.stderr:
                if b"the API server is ready" in line:
                    break
            else:
                sys.exit("the node did not start")
            first = [*appliance, "api", "users.first_code", "--json"]
            code = json.loads(subprocess.run(first, env=places, check=True, capture_output=True).stdout)["code"]
            yield port, code, profile
        finally:
            node.terminate()
            node.communicate()


def main() -> None:
    """Only as a trial: on a host of yours, docs/management.md has the same step by step."""
    if sys.argv[1:] != ["trial"]:
        sys.exit(__doc__)
    with trial() as (port, code, profile):
        tour(Api(port), code, profile)
        print(f"dashboard: http://127.0.0.1:{port}/ for alice, whose password is: {PASSWORD}")
        if sys.stdin.isatty():
            input("Enter ends it. ")


if __name__ == "__main__":
    main()
