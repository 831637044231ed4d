"""A stream by the user-space endpoint beside one by the kernel with a TUN device, in one run.

    sudo .venv/bin/python tests/perf/userspace.py [--seconds 2] [--rounds 3]

Two nodes are in one namespace, one with a TUN device and one without; both reach a third, in another namespace, by the same veth
pair. The application is a process of its own each time, which got the descriptor handed over, as from the control socket.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from ipaddress import IPv4Interface, ip_address, ip_interface
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from appliance.api.profile import Profile  # noqa: E402
from appliance.api.values import Endpoint as Address  # noqa: E402
from appliance.linux import tun  # noqa: E402
from appliance.plugin_host import PluginHost  # noqa: E402
from appliance.protocol.identity import Identity  # noqa: E402
from appliance.runtime.node_runtime import NodeRuntime  # noqa: E402
from appliance.runtime.streams.sockets import HostSockets  # noqa: E402
from appliance.runtime.userspace.endpoint import Endpoint  # noqa: E402
from appliance.runtime.userspace.sockets import UserspaceSockets  # noqa: E402
from appliance.runtime.workers.packet_device import packet_pair  # noqa: E402
from tests.netns.throwaway import Throwaway  # noqa: E402

FAR, WITH_TUN, WITHOUT = 1, 2, 3
NAMES = {WITH_TUN: "kernel", WITHOUT: "user space"}
PORT = 5001
MTU = 1400
PIECE = 1 << 18


def identity(number: int) -> Identity:
    return Identity.from_seeds(bytes([number]) * 32, bytes([number + 100]) * 32)


def profile(number: int) -> Profile:
    others = [number_ for number_ in (FAR, WITH_TUN, WITHOUT) if FAR in (number, number_) and number_ != number]
    return Profile.model_validate(
        {
            "profile": 1,
            "name": f"node-{number}",
            "server": {"listen": [Address("udp", "192.0.2.1", 8443)] if number == FAR else []},
            "network": {"addresses": [f"10.8.0.{number}/24"], "mtu": MTU},
            "peers": [
                {
                    "name": f"node-{other}",
                    "identity": identity(other).fingerprint,
                    "endpoints": [Address("udp", "192.0.2.1", 8443)] if other == FAR else [],
                    "allowed": [f"10.8.0.{other}/32"],
                }
                for other in others
            ],
        }
    )


async def node(number: int) -> None:
    """Be one, and hand out connections to whoever asks at an abstract socket."""
    loop, wanted = asyncio.get_running_loop(), profile(number)
    runtime = NodeRuntime(wanted, PluginHost.load(wanted.plugins), identity(number))
    if number == WITHOUT:
        device, theirs = packet_pair(vnet_hdr=True)
        await runtime.start([device])
        endpoint = Endpoint([ip_interface(f"10.8.0.{number}/24")], MTU)
        endpoint.use_device(theirs)
        sockets = UserspaceSockets(endpoint)
    else:
        name = f"perf{number}"
        tun.create(name)
        device = tun.attach(name)
        _configure(name, number)
        await runtime.start([device])
        sockets = HostSockets(lambda: name, lambda: [IPv4Interface(f"10.8.0.{number}/24").ip])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.bind(f"\0perf-{os.getppid()}-{number}")
        asked.listen()
        asked.settimeout(0)
        print("ready", flush=True)
        while True:
            caller, _ = await loop.sock_accept(asked)
            with caller, await sockets.connect(ip_address("10.8.0.1"), PORT) as made:
                socket.send_fds(caller, [b"."], [made.fileno()])


def _configure(name: str, number: int) -> None:
    subprocess.run(["sh", "-c", f"ip addr add 10.8.0.{number}/24 dev {name}; ip link set {name} mtu {MTU} up"], check=True)


def far_application() -> None:
    """Take what comes, or send for as long as was said."""
    with socket.create_server(("10.8.0.1", PORT)) as listener:
        print("ready", flush=True)
        room = bytearray(PIECE)
        while True:
            came, _ = listener.accept()
            with came:
                seconds = int(came.recv(1)[0]) / 10
                end = time.monotonic() + seconds
                while seconds and time.monotonic() < end:
                    came.sendall(room)
                came.shutdown(socket.SHUT_WR)
                while came.recv_into(room):
                    pass


def application(name: str, seconds: float, *, down: bool) -> None:
    """Send, or take, for so long; print bytes a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.connect(name)
        _, (fd,), _, _ = socket.recv_fds(asking, 1, 1)
    count, room = 0, bytearray(PIECE)
    with socket.socket(fileno=fd) as stream:
        stream.settimeout(None)
        began = time.monotonic()
        stream.sendall(bytes([int(seconds * 10) if down else 0]))
        if down:
            while got := stream.recv_into(room):
                count += got
        else:
            while time.monotonic() < began + seconds:
                stream.sendall(room)
                count += PIECE
            stream.shutdown(socket.SHUT_WR)
            stream.recv(1)
        print(count / (time.monotonic() - began))


def used(pids: list[int]) -> float:
    """Seconds of processor time of these processes and all below them."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        total += used([int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()])
    return total


def measure(seconds: float, rounds: int) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {}
    running: list[subprocess.Popen[str]] = []

    def start(namespace: Throwaway, *words: str) -> subprocess.Popen[str]:
        command = ["nsenter", f"--net=/run/netns/{namespace.name}", sys.executable, __file__, *words]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        out = running[-1].stdout
        assert out is not None
        assert out.readline() == "ready\n"
        return running[-1]

    with Throwaway() as far, Throwaway() as near:
        far.sh(f"ip link add wire type veth peer name wire netns {near.name}")
        for number, namespace in enumerate((far, near), 1):
            namespace.sh(f"ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        try:
            first = start(far, "node", str(FAR))
            start(far, "far")
            nodes = {number: start(near, "node", str(number)) for number in NAMES}
            for round_ in range(rounds + 1):
                for direction in ("up", "down"):
                    for number, name in NAMES.items():
                        pids = [first.pid, nodes[number].pid]
                        before = used(pids)
                        command = [sys.executable, __file__, direction, f"\0perf-{os.getpid()}-{number}".replace("\0", "@")]
                        command += [str(seconds)]
                        inside = ["nsenter", f"--net=/run/netns/{near.name}", *command]
                        rate = float(subprocess.run(inside, capture_output=True, text=True, check=True).stdout)
                        if round_:  # the first is to warm up
                            told = found.setdefault(f"{name} {direction}", {"Gbit/s": [], "CPU s/GB": []})
                            told["Gbit/s"].append(rate * 8 / 1e9)
                            told["CPU s/GB"].append((used(pids) - before) / (rate * seconds) * 1e9)
        finally:
            for process in running:
                process.terminate()
                process.wait()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    found = measure(arguments.seconds, arguments.rounds)
    medians = {name: {figure: round(statistics.median(all_), 2) for figure, all_ in told.items()} for name, told in found.items()}
    for name, told in medians.items():
        print(f"{name:18} {told}")
    for direction in ("up", "down"):
        ours, kernels = (found[f"{name} {direction}"]["Gbit/s"] for name in ("user space", "kernel"))
        ratios = [one / other for one, other in zip(ours, kernels, strict=True)]
        rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"user space / kernel, {direction}: {statistics.median(ratios):.2f} (rounds: {rounds})")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["node", number]:
            asyncio.run(node(int(number)))
        case ["far"]:
            far_application()
        case ["up" | "down" as direction, name, seconds]:
            application(name.replace("@", "\0"), float(seconds), down=direction == "down")
        case _:
            main()
