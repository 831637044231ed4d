"""The generated client in TypeScript: taken by its compiler, and run under Node against a live API server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from rigs.mock_api import mock_api

from appliance.cli import main

ROOT = Path(__file__).parents[4]
COMPILER = "typescript@5.9.3"
STORY = """
import { Client, ConnectionFailed, Problem } from "%(package)s";

const url = process.argv[2];
const told = {};
const client = new Client(url, { token: "admin", longestWait: 0 });
told.ready = await client.nodeReady();
told.state = typeof (await client.status()).state;
told.peers = [];
for await (const peer of client.peersAll()) told.peers.push(peer.name);
told.invited = await client.invite({ name: "laptop", ttl: 60 });
told.events = [];
for await (const event of client.eventsFollow()) told.events.push(event.id);
try {
  await new Client(url, { token: "viewer" }).confirm();
} catch (error) {
  told.refused = [error instanceof Problem, error.status, error.code, error.hint !== "", error.requestId !== ""];
}
let attempts = 0;
const flaky = new Client(url, {
  token: "admin",
  longestWait: 0,
  interceptors: [
    async (request, proceed) => {
      attempts++;
      if (attempts < 3) return new Response(JSON.stringify({ code: "Busy", retryable: true }), { status: 503 });
      return proceed(request);
    },
  ],
});
await flaky.confirm();
told.attempts = attempts;
const broken = async (withKey) => {
  const keys = [];
  const client = new Client(url, {
    retries: 2,
    longestWait: 0,
    interceptors: [
      (request, proceed) => {
        if (withKey) request.headers.set("idempotency-key", `key-${keys.length}`);
        return proceed(request);
      },
    ],
    fetch: async (request) => {
      keys.push(request.headers.get("idempotency-key"));
      throw new TypeError("the connection broke");
    },
  });
  await client.confirm().catch((error) => keys.push(error instanceof ConnectionFailed));
  return keys;
};
told.broken = [await broken(false), await broken(true)];
try {
  await new Client("http://127.0.0.1:1", { retries: 0 }).status();
} catch (error) {
  told.gone = error instanceof ConnectionFailed;
}
console.log(JSON.stringify(told));
"""


def compiler() -> Path:
    """tsc from npm, kept below build/."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs Node.js and npm")
    folder = ROOT / "build/npm"
    found = folder / "node_modules/.bin/tsc"
    if not found.exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), COMPILER]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=90)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm does not bring {COMPILER} in time")
        if done.returncode:
            pytest.skip(f"npm does not bring {COMPILER}: {done.stderr[-200:]}")
    return found


@pytest.mark.timeout(300)
def test_it_compiles_and_a_live_server_answers_it(tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert main(["generate-client", "typescript", "--output", str(made)]) == 0
    compiled = subprocess.run([compiler(), "-p", made], capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stdout
    (tmp_path / "story.mjs").write_text(STORY % {"package": (made / "dist/index.js").as_uri()})
    with mock_api() as url:
        environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
        run = subprocess.run(["node", tmp_path / "story.mjs", url], capture_output=True, text=True, timeout=120, env=environment)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "ready": {"status": "ready"},
        "state": "string",
        "peers": ["name"],
        "invited": {"code": "code"},
        "events": ["1", "2", "3"],
        "refused": [True, 403, "Forbidden", True, True],
        "attempts": 3,
        "broken": [[None, True], ["key-0", "key-0", "key-0", True]],
        "gone": True,
    }
