#!/usr/bin/env python3
"""Our UDP and TCP transports in the table of the peer bench, in one run with the others (root only).

usage: .venv/bin/python tests/perf/bench_peers.py [OPTION of peers.py …] [PEER …]

Without peers: raw veth, wireguard-go new, ours udp, ours tcp. `-l` lists all. The harness is ../shared/bench/peers.py beside this
checkout, or $PEERS_HARNESS; it keeps the namespaces and does the measuring, this file adds two rows to it.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from appliance.lab.profiles import as_yaml
from appliance.protocol.identity import Identity

ROOT = Path(__file__).resolve().parents[2]
HARNESS = Path(os.environ.get("PEERS_HARNESS", ROOT.parent / "shared/bench/peers.py"))
USUAL = ["raw veth", "wireguard-go new", "ours udp", "ours tcp"]
UNDERLAY = {"A": "192.168.77.1", "B": "192.168.77.2"}
OVERLAY = {"A": "10.77.0.1", "B": "10.77.0.2"}
OTHER = {"A": "B", "B": "A"}
PORT = 8443


def main() -> None:
    """Run the harness with our rows in it."""
    harness = load_harness()
    for scheme in ("udp", "tcp"):
        harness.ALL[f"ours {scheme}"] = lambda tunnel, scheme=scheme: start(tunnel, scheme)
    if not any(word in harness.ALL for word in sys.argv[1:]) and "-l" not in sys.argv[1:]:
        sys.argv += USUAL
    harness.main()


def load_harness() -> ModuleType:
    """peers.py as a module."""
    spec = importlib.util.spec_from_file_location("peers", HARNESS)
    if spec is None or spec.loader is None or not HARNESS.is_file():
        sys.exit(f"there is no {HARNESS}: set PEERS_HARNESS to the peer bench's peers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(tunnel: Any, scheme: str) -> None:
    """Both ends of one tunnel: what an admin would type, in the namespaces of the harness."""
    tunnel.addr = OVERLAY["B"]
    folder = Path(tunnel.dir)
    write_profiles(folder, scheme)
    for side in "BA":
        tunnel.run(side, command(folder, side))


def command(folder: Path, side: str) -> str:
    """The command line of one end, as OURS_A and OURS_B would hold it."""
    variables = f"APPLIANCE_STATE_DIR={shlex.quote(str(folder / f'state-{side}'))} APPLIANCE_LOG=warn"
    return f"env {variables} {shlex.quote(sys.executable)} -m appliance.cli run {shlex.quote(str(folder / f'{side}.yaml'))}"


def write_profiles(folder: Path, scheme: str) -> None:
    """Identities and profiles of both ends: B listens, A dials."""
    identities = {side: Identity.generate() for side in "AB"}
    for side, identity in identities.items():
        secret = folder / f"{side}.identity"
        secret.touch(mode=0o600)
        secret.write_bytes(identity.to_pem())
        other = OTHER[side]
        peer: dict[str, Any] = {
            "name": other.lower(),
            "identity": identities[other].fingerprint,
            "allowed": [f"{OVERLAY[other]}/32"],
        }
        if side == "A":
            peer["endpoints"] = [f"{scheme}://{UNDERLAY['B']}:{PORT}"]
        profile = {
            "profile": 1,
            "name": side.lower(),
            "server": {"identity": f"file:{secret}", "listen": [f"{scheme}://0.0.0.0:{PORT}"] if side == "B" else []},
            "network": {"addresses": [f"{OVERLAY[side]}/24"]},
            "peers": [peer],
        }
        (folder / f"{side}.yaml").write_text(as_yaml(profile))


if __name__ == "__main__":
    main()
