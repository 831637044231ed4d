"""Two nodes that compress what goes between them: what the wire carries then, and what happens when only one of them wants it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from rigs.labs import pair, reaches

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

RIGHT_V4 = "10.70.0.2"
BYTES = 4_000_000
RECEIVE = """
import hashlib, socket, sys
with socket.create_server((sys.argv[1], 0)) as server:
    server.settimeout(30)
    print("port", server.getsockname()[1], flush=True)
    connection, _ = server.accept()
connection.settimeout(30)
digest = hashlib.sha256()
while piece := connection.recv(1 << 18):
    digest.update(piece)
print(digest.hexdigest())
"""
SEND = """
import hashlib, os, socket, sys
kind, size = sys.argv[3], int(sys.argv[4])
line = "{} 10.8.0.{} - - GET /page/{}?from=index HTTP/1.1 200 {}\\n"
text = "".join(line.format(n, n % 250, n * 7919 % 10007, n * 104729 % 65537) for n in range(size // 40)).encode()
data = os.urandom(size) if kind == "noise" else text[:size].ljust(size, b" ")
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 30) as connection:
    connection.sendall(data)
print(hashlib.sha256(data).hexdigest())
"""


def definition(left: str | None, right: str | None) -> LabFile:
    described = pair().model_dump(mode="json", exclude_none=True)
    described["hosts"]["left"]["peers"]["right"] |= {"compression": left} if left else {}
    described["hosts"]["right"]["peers"]["left"] |= {"compression": right} if right else {}
    return LabFile.model_validate(described)


async def carried(lab: Lab, kind: str) -> int:
    """Bytes that the wire carries from left to right for BYTES of this kind."""
    left, right = lab.host("left"), lab.host("right")
    before = await sent_over(left, "wan")
    async with right.machine.spawn([sys.executable, "-I", "-c", RECEIVE, RIGHT_V4], "port") as (first, rest):
        port = first.split()[1]
        done = (await left.run([sys.executable, "-I", "-c", SEND, RIGHT_V4, port, kind, str(BYTES)])).must_work()
        assert (await rest()).decode().strip() == done.out.strip()
    return await sent_over(left, "wan") - before


async def sent_over(host: Host, device: str) -> int:
    (link,) = json.loads((await host.run(["ip", "-j", "-s", "link", "show", "dev", device])).must_work().out)
    return int(link["stats64"]["tx"]["bytes"])


def session(lab: Lab, host: str) -> dict[str, Any]:
    (found,) = lab.host(host).sessions().values()
    return found


def drops(lab: Lab, host: str) -> dict[str, int]:
    status = lab.host(host).status()
    assert status is not None
    found: dict[str, int] = status["drops"]
    return found


async def agreed(lab: Lab, how: str) -> None:
    """Both sides do so, within seconds."""
    await lab.until(lambda: all(session(lab, host)["compression"] == how for host in ("left", "right")), 10)


async def test_text_costs_the_wire_less_and_noise_the_same() -> None:
    async with Lab(definition("zstd", "zstd")) as lab:
        await agreed(lab, "zstd")
        noise = await carried(lab, "noise")
        text = await carried(lab, "text")
        print(f"{BYTES} bytes: noise {noise}, text {text} on the wire")
        assert BYTES < noise < 1.1 * BYTES
        assert text < 0.5 * BYTES
        left, right = session(lab, "left"), session(lab, "right")
        assert left["tx_saved"] > 0.5 * BYTES
        assert right["rx_saved"] == left["tx_saved"]
        assert "compressed" not in drops(lab, "left") | drops(lab, "right")
        shown = (await lab.host("left").run([sys.executable, "-m", "appliance.cli", "status"])).out
        assert "COMPRESSION" in shown
        assert "% less" in shown
    assert lab.left_behind == []


@pytest.mark.parametrize(("left", "right"), [("zstd", None), (None, "zstd"), ("off", "zstd")])
async def test_one_alone_does_not_compress(left: str | None, right: str | None) -> None:
    async with Lab(definition(left, right)) as lab:
        assert await reaches(lab.host("left"), RIGHT_V4)
        assert await carried(lab, "text") > BYTES
        for host in ("left", "right"):
            assert session(lab, host)["compression"] == "off"
            assert session(lab, host)["tx_saved"] == 0
            assert "compressed" not in drops(lab, host)
    assert lab.left_behind == []


async def test_a_running_node_takes_it_up_and_leaves_it() -> None:
    async with Lab(definition(None, None)) as lab:
        assert session(lab, "left")["compression"] == "off"
        await change(lab, "", ', "compression": "zstd"')
        await agreed(lab, "zstd")
        assert await carried(lab, "text") < 0.5 * BYTES
        await change(lab, ', "compression": "zstd"', "")
        await agreed(lab, "off")
        assert await carried(lab, "text") > BYTES
        assert await reaches(lab.host("right"), "10.70.0.1")
    assert lab.left_behind == []


async def change(lab: Lab, before: str, after: str) -> None:
    """Put other words behind the keepalive of both profiles, and let the nodes take them over."""
    for name in ("left", "right"):
        host = lab.host(name)
        text = host.profile.read_text()
        changed = text.replace(f'"1s"{before}', f'"1s"{after}')
        assert changed != text
        host.profile.write_text(changed)
        host.ask("reload")
