"""Programs from Debian's packages that know nothing of us, through tunnels and the proxy: databases, ssh, DNS, browsers."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.netns.daemons import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

SECONDS = 60.0
ADDRESS = "10.8.0.1"
DATABASE, CACHE, SHELL, WEB, IPERF, DNS, GRPC = 5432, 6379, 2222, 8080, 5201, 5353, 50051

TUNNELS = """
import asyncio, json, sys
from contextlib import AsyncExitStack
from appliance.sdk import Client

async def main():
    async with Client() as client, AsyncExitStack() as stack:
        for port, datagrams in json.loads(sys.argv[1]):
            await stack.enter_async_context(client.tunnel("other", port, local=("127.0.0.1", port), datagrams=datagrams))
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

GRPC_SERVER = """
import grpc
from concurrent.futures import ThreadPoolExecutor
server = grpc.server(ThreadPoolExecutor(2))
handler = grpc.unary_unary_rpc_method_handler(lambda said, _: said[::-1])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo", {"Say": handler}),))
server.add_insecure_port("10.8.0.1:50051")
server.start()
print("ready", flush=True)
server.wait_for_termination()
"""

GRPC_CLIENT = """
import grpc
with grpc.insecure_channel("127.0.0.1:50051") as channel:
    say = channel.unary_unary("/echo/Say")
    print([say(b"hello", timeout=50) for _ in range(100)].count(b"olleh"))
"""


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips a test without these. packaging/setup.sh knows their packages."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    return pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)}")


class Servers:
    """Programs of one host that serve at its overlay address."""

    def __init__(self, host: Host, folder: Path, stack: ExitStack) -> None:
        self.host = host
        self.folder = folder
        self._stack = stack

    def run(self, *command: str, says: str = "", **environ: str) -> None:
        """Start one, and wait until it has said that."""
        running = subprocess.Popen(
            [*self.host.entering, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | environ
        )
        self._stack.callback(running.wait)
        self._stack.callback(running.terminate)
        assert running.stdout is not None
        while says and says.encode() not in (line := running.stdout.readline()):
            assert line, f"{command[0]} ended"

    def listens(self, port: int) -> None:
        """Wait until somebody does."""
        end = time.monotonic() + SECONDS
        while not self.host.namespace.run(lambda: _connects(ADDRESS, port)):
            assert time.monotonic() < end

    def database(self) -> None:
        [programs] = Path("/usr/lib/postgresql").glob("*/bin")
        as_user = ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--")
        self.folder.chmod(0o755)
        data = self.folder / "database"
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
        subprocess.run([*as_user, programs / "initdb", "-N", "-A", "trust", "-D", data], check=True, capture_output=True)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.8.0.0/24 trust\n")
        options = ("-c", f"listen_addresses={ADDRESS}", "-c", "fsync=off", "-c", f"unix_socket_directories={data}")
        self.run(*as_user, str(programs / "postgres"), "-D", str(data), *options, says="ready to accept")

    def shell(self) -> None:
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        config = f"Port {SHELL}\nListenAddress {ADDRESS}\nHostKey {self.folder}/host\nAuthorizedKeysFile {self.folder}/user.pub\n"
        (self.folder / "sshd").write_text(f"{config}StrictModes no\nPidFile none\nPermitRootLogin yes\nUsePAM no\n")
        Path("/run/sshd").mkdir(exist_ok=True)
        self.run("/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd"), says="listening")

    def web(self) -> None:
        (self.folder / "page.html").write_text(
            f"<p id=here></p><script>here.textContent = 'made by ' + 6 * 7</script>{'x' * 100_000}"
        )
        (self.folder / "nginx").write_text(
            f"daemon off; user root; pid {self.folder}/nginx.pid; error_log stderr notice; events {{}}\n"
            f"http {{ access_log off; root {self.folder};\n"
            f"server {{ listen {ADDRESS}:{WEB} http2; }} server {{ listen {ADDRESS}:{WEB + 1}; }} }}\n"
        )
        self.run("/usr/sbin/nginx", "-c", str(self.folder / "nginx"), says="start worker processes")

    def names(self) -> None:
        options = (
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--conf-file=/dev/null",
            "--bind-interfaces",
            "--user=root",
        )
        at = (f"--port={DNS}", f"--listen-address={ADDRESS}", "--address=/printer.example/192.0.2.77", "--log-facility=-")
        self.run("/usr/sbin/dnsmasq", *options, *at, says="started")


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture
def serving(hosts: tuple[Host, Host]) -> Iterator[Servers]:
    """The first host, on which servers can be started; both nodes run."""
    for host in hosts:
        host.start()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Servers(hosts[0], Path(folder), stack)


def said(host: Host, *command: str) -> str:
    """What a program prints. It must end well."""
    done = subprocess.run([*host.entering, *command], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done
    return done.stdout


@contextmanager
def tunnels(host: Host, *ports: tuple[int, bool]) -> Iterator[None]:
    """One program with all these tunnels."""
    command = [*host.entering, sys.executable, "-P", "-c", TUNNELS, json.dumps(ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            running.terminate()


@needs("psql", "pgbench", "redis-server", "redis-benchmark", "sshd", "ssh")
def test_databases_shells_and_calls_go_through_tunnels(serving: Servers, hosts: tuple[Host, Host]) -> None:
    serving.database()
    serving.shell()
    serving.run("redis-server", "--bind", ADDRESS, "--protected-mode", "no", "--save", "", says="Ready to accept")
    serving.run(sys.executable, "-c", GRPC_SERVER, says="ready")
    two = hosts[1]
    with tunnels(two, (DATABASE, False), (CACHE, False), (SHELL, False), (GRPC, False)):
        as_user = ("-h", "127.0.0.1", "-U", "postgres", "-d", "postgres")
        assert said(two, "psql", *as_user, "-Atc", "select sum(n) from generate_series(1, 100000) n") == "5000050000\n"
        said(two, "pgbench", *as_user, "-q", "-i")
        assert "number of failed transactions: 0" in said(two, "pgbench", *as_user, "-c", "4", "-t", "25")
        ran = said(two, "redis-benchmark", "-t", "set,get", "-n", "2000", "-c", "20", "-d", "3000", "-q")
        assert ran.count("requests per second") == 2
        options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", str(serving.folder / "user"))
        command = ("ssh", "-p", str(SHELL), *options, "root@127.0.0.1", "head -c 1000000 /dev/zero | sha256sum")
        assert said(two, *command).startswith("d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025")
        assert said(two, sys.executable, "-c", GRPC_CLIENT) == "100\n"


@needs("nginx", "dnsmasq", "dig", "curl", "iperf3")
def test_pages_names_and_datagrams_go_through_tunnels(serving: Servers, hosts: tuple[Host, Host]) -> None:
    serving.web()
    serving.names()
    serving.run("iperf3", "-s", "-B", ADDRESS, "--forceflush", says="listening")
    two = hosts[1]
    with tunnels(two, (WEB, False), (WEB + 1, False), (DNS, True), (IPERF, False), (IPERF, True)):
        size = ("-s", "-o", "/dev/null", "-w", "%{http_version} %{size_download}")
        url = "http://127.0.0.1:{}/page.html"
        assert said(two, "curl", *size, url.format(WEB + 1)).startswith("1.1 100")
        assert said(two, "curl", *size, "--http2-prior-knowledge", url.format(WEB)).startswith("2 100")
        assert said(two, "dig", "+short", "-p", str(DNS), "@127.0.0.1", "printer.example") == "192.0.2.77\n"
        ran = json.loads(said(two, "iperf3", "-c", "127.0.0.1", "-u", "-b", "5M", "-l", "1200", "-t", "1", "-J"))
        assert ran["end"]["sum"]["lost_percent"] < 50
        assert ran["end"]["sum"]["packets"] > 100


@needs("nginx", "chromium")
def test_a_browser_goes_through_the_proxy(serving: Servers, hosts: tuple[Host, Host]) -> None:
    serving.web()
    two = hosts[1]
    command = [*two.entering, sys.executable, "-P", "-m", "appliance.cli", "proxy", "--listen", "1080"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as proxy, tempfile.TemporaryDirectory() as folder:
        try:
            assert proxy.stdout is not None
            assert proxy.stdout.readline()
            quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
            alone = ("--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}")
            through = ("--proxy-server=socks5://127.0.0.1:1080", "--dump-dom", f"http://other:{WEB + 1}/page.html")
            assert "made by 42" in said(two, "chromium", *quiet, *alone, *through)
        finally:
            proxy.terminate()
