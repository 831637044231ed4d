"""A node gets a port of a real router's (miniupnpd), is reached by it, and gives it back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("miniupnpd") is None, reason="the Debian package miniupnpd is not installed"),
]

SECONDS = 60.0
PORT = 8443
RULES = """
flush ruleset
table inet filter {
 chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname "lan" accept; jump miniupnpd; }
 chain miniupnpd { }
 chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
 chain postrouting { type nat hook postrouting priority srcnat; jump postrouting_miniupnpd; oifname "wan" masquerade; }
 chain prerouting_miniupnpd { }
 chain postrouting_miniupnpd { }
 chain input { type filter hook input priority 0; iifname "wan" ct state new drop; }
}
"""  # noqa: E501


def lab_file() -> LabFile:
    """Left behind a router that gives ports, right behind one whose ports depend on the far end: only such a port helps."""
    listen = [f"udp://0.0.0.0:{PORT}", f"tcp://0.0.0.0:{PORT}"]
    hub = {"hub": {"endpoints": [f"udp://hub:{PORT}"]}}
    to_left = {"left": {"endpoints": [f"tcp://left:{PORT}"], "keepalive": "1s"}}

    def host(number: int, **more: object) -> dict[str, object]:
        return {"addresses": [f"10.74.0.{number}/24"], "listen": listen, "profile": {"paths": {}}, **more}

    hosts = {
        "hub": host(9, peers={"left": {}, "right": {}}),
        "left": host(1, peers={**hub, "right": {"keepalive": "1s"}}, behind="port-restricted"),
        "right": host(2, peers={**hub, **to_left}, behind="symmetric"),
    }
    wan = {"name": "wan", "hosts": list(hosts), "ipv4": "45.74.0.0/24"}  # a router gives no ports of a documentation address
    return LabFile.model_validate({"lab": 1, "name": "ports", "links": [wan], "hosts": hosts})


@contextmanager
def router(lab: Lab, folder: Path, *words: str) -> Iterator[None]:
    """Left's router gives ports, by these protocols, and passes a stream on."""
    namespace, inside = lab.routers["left-nat"].namespace, lab.layout.box("left-nat").inside[0]
    passing = f'iifname "wan" tcp dport {PORT} dnat to {inside}'
    stream = f"table ip stream {{ chain pre {{ type nat hook prerouting priority dstnat - 1; {passing}; }}; }}"
    accept = f'insert rule inet filter forward iifname "wan" tcp dport {PORT} accept'
    subprocess.run(namespace.enter(["nft", "-f", "-"]), input=f"{RULES}{stream}\n{accept}\n", text=True, check=True)
    network = inside.rpartition(".")[0] + ".0/24"
    config = folder / "miniupnpd.conf"
    lines = ["ext_ifname=wan", "listening_ip=lan", "http_port=5555", "ipv6_disable=no", "min_lifetime=1", "max_lifetime=86400"]
    lines += [
        "secure_mode=yes",
        "uuid=00000000-0000-0000-0000-000000000001",
        "upnp_table_name=filter",
        "upnp_nat_table_name=filter",
    ]
    lines += [
        *words,
        f"lease_file={folder / 'leases'}",
        f"allow 1024-65535 {network} 1024-65535",
        "deny 0-65535 0.0.0.0/0 0-65535",
    ]
    config.write_text("\n".join(lines) + "\n")
    command = ["miniupnpd", "-d", "-f", str(config), "-P", str(folder / "pid")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(namespace.enter(command), stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize(
    ("protocol", "words"), [("pcp", "enable_natpmp=yes enable_upnp=no"), ("upnp", "enable_natpmp=no enable_upnp=yes")]
)
async def test_a_port_of_the_router_lets_a_peer_in_that_nobody_could_reach_and_is_given_back(
    tmp_path: Path, protocol: str, words: str
) -> None:
    async with Lab(lab_file(), start=False) as lab:
        with router(lab, tmp_path, *words.split()):
            lab.start()
            await lab.wait_for_sessions()
            left, right = lab.host("left"), lab.host("right")

            def mapped() -> str:
                return str(((left.status() or {}).get("paths") or {}).get("port_mapping", {}).get("mapped"))

            def carried() -> tuple[str, str]:
                return left.sessions()["right"]["transport"], right.sessions()["left"]["transport"]

            external = lab.layout.box("left-nat").external
            try:
                await lab.until(lambda: mapped().startswith(f"udp://{external}:"), SECONDS)
                await lab.until(lambda: carried() == ("udp", "udp"), SECONDS)
            except TimeoutError:
                told = [str((host.status() or {}).get("paths")) for host in (left, right)]
                raise AssertionError("\n".join([*told, (tmp_path / "log").read_text()[-2000:]])) from None
            assert right.sessions()["left"]["endpoint"] == mapped()
            assert (left.status() or {})["paths"]["port_mapping"]["protocol"] == protocol
            rules = lab.routers["left-nat"].namespace.enter(["nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd"])

            def given() -> bool:
                return "dnat" in subprocess.run(rules, capture_output=True, text=True, check=True).stdout

            assert given()
            await left.stop()
            await lab.until(lambda: not given(), SECONDS)
    assert lab.left_behind == []
