"""What a member costs that knows many others and has a session with some (root only).

usage: .venv/bin/python -m tests.perf.members [--known N] [--connected N] [--seconds N]   prints Markdown for docs/performance.md

All are real nodes on this machine that joined by invitations, but for those that are known only: they have certificates, and are
not there.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import time
from pathlib import Path

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.members.carried import bundle_of, read_bundle
from appliance.members.scope import Grants
from appliance.members.signing import sign_certificate
from appliance.protocol.identity import Identity
from tests.perf.footprint import idle

HUB = "hub"
LIFETIME = 30 * 86_400


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=int, default=1000, help="members that the node knows")
    parser.add_argument("--connected", type=int, default=20, help="those of them that it has a session with")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to watch it")
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.known, chosen.connected, chosen.seconds))


async def measure(known: int, connected: int, seconds: float) -> None:
    others = [f"m{number}" for number in range(connected)]
    async with Lab(lab_of(others)) as lab:
        hub = lab.host(HUB)
        await hub_takes(hub, known - connected)
        for name in others:
            (await hub.appliance("ping", name, "--count", "1")).must_work()
        sessions = len(hub.sessions())
        print(f"{known_to(hub)} members known, {sessions} sessions\n")
        await idle(hub, seconds)
        print(f"\n{len(hub.sessions())} sessions at the end")


def lab_of(others: list[str]) -> LabFile:
    """A network on one wire."""
    wire = {"name": "wan", "hosts": [HUB, *others], "ipv4": "198.51.100.0/24"}
    hosts: dict[str, dict[str, object]] = {name: {} for name in (HUB, *others)}
    return LabFile.model_validate(
        {"lab": 1, "name": "members", "links": [wire], "mesh": {"label": "home", "founder": HUB}, "hosts": hosts}
    )


async def hub_takes(hub: Host, count: int) -> None:
    """The owner signs for so many nodes that are not there, and its own node takes the certificates."""
    folder = Path(f"{hub.state_dir}.kept/mesh-home")
    owner, now = Identity.from_pem((folder / "owner.key").read_bytes()), int(time.time())
    network = read_bundle((await hub.appliance("network", "export")).must_work().out).network
    first = int(hub.addresses[0].network.network_address) + 0x8000
    certificates = [
        sign_certificate(
            owner,
            network,
            Identity.generate().public,
            name=f"absent{number}",
            serial=number + 1,
            not_before=now,
            not_after=now + LIFETIME,
            grants=Grants((ipaddress.ip_address(first + number),)),
        )
        for number in range(count)
    ]
    file = hub.directory / "absent"
    file.write_text(bundle_of(network, (each.encoded for each in certificates)))
    (await hub.appliance("network", "import", file)).must_work()


def known_to(hub: Host) -> int:
    """How many peers its node has."""
    return len((hub.status() or {}).get("peers") or ())


if __name__ == "__main__":
    main()
