"""The reverse proxies of docs/reverse-proxies.md, each run as the page has it, but for ports and files."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.api_server.edge import certificates
from tests.docs.markdown import ROOT, blocks
from tests.rigs.edge import all_of, edged, parsed, until

NAME = "node1.example.net"
PAGE = {block.text.splitlines()[0]: block.text for block in blocks(ROOT / "docs/reverse-proxies.md")}
NGINX = """
pid {folder}/pid;
error_log stderr;
daemon off;
master_process off;
events {{}}
http {{
access_log off;
{temporary}
{page}
}}
"""
TEMPORARY = "\n".join(f"{kind}_temp_path {{folder}}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


@pytest.mark.parametrize("program", ["nginx", "haproxy", "caddy"])
async def test_the_proxy_is_believed_and_streams_and_sockets_pass(program: str, tmp_path: Path) -> None:
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        pytest.skip(f"needs {program} (packaging/setup.sh)")
    async with edged({"names": [NAME], "proxy": ["127.0.0.1/32"]}) as server:
        front = free_port()
        with running(path, program, configured(program, tmp_path, front, server.port), tmp_path):
            await until(lambda: answers(front))
            asked = await ask(tmp_path, front, "GET /", "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n")
            status, fields, body = parsed(asked)
            assert (status, body["client"], body["scheme"]) == (200, ["127.0.0.9", 0], "https")
            assert "strict-transport-security" in fields
            assert parsed(await ask(tmp_path, front, "POST /", f"Origin: https://{NAME}\r\nContent-Length: 0\r\n"))[0] == 200
            assert b": here" in await ask(tmp_path, front, "GET /stream", "", until_seen=b": here")
            upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            assert b" 101 " in await ask(tmp_path, front, "GET /socket", upgrade + key, until_seen=b"here")


async def ask(folder: Path, port: int, first: str, more: str, until_seen: bytes = b"") -> bytes:
    """All that comes back, or all up to what is to be seen."""
    trusted = ssl.create_default_context(cadata=(folder / "node1.pem").read_text())
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trusted, server_hostname=NAME, local_addr=("127.0.0.9", 0)
    )
    end = "" if "Connection:" in more else "Connection: close\r\n"
    writer.write(f"{first} HTTP/1.1\r\nHost: {NAME}\r\n{more}{end}\r\n".encode())
    if not until_seen:
        return await all_of(reader, writer)
    async with asyncio.timeout(60):
        found = await reader.readuntil(until_seen)
    writer.close()
    return found


def configured(program: str, folder: Path, front: int, behind: int) -> str:
    """The page's text, with the ports and files of this test."""
    certified(folder, "node1", NAME)
    (page,) = (text for first, text in PAGE.items() if first.lower().startswith((f"# {program}", f"# {program}file")))
    page = page.replace("127.0.0.1:8470", f"127.0.0.1:{behind}").replace("/etc/ssl/", f"{folder}/")
    if program == "nginx":
        page = page.replace("listen 443", f"listen 127.0.0.1:{front}")
        return NGINX.format(folder=folder, temporary=TEMPORARY.format(folder=folder), page=page)
    if program == "haproxy":
        return page.replace("bind :443", f"bind 127.0.0.1:{front}")
    return "{\nadmin off\nauto_https off\n}\n" + page.replace(":443", f":{front}")


def certified(folder: Path, file: str, name: str) -> None:
    """A certificate for that name: FILE.pem, FILE.key, and FILE.both with both."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certificates.made(key, [name], dt.datetime.now(dt.UTC)).decode()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for suffix, text in (("pem", certificate), ("key", secret), ("both", certificate + secret)):
        (folder / f"{file}.{suffix}").write_text(text)


@contextmanager
def running(path: str, program: str, configuration: str, folder: Path) -> Iterator[None]:
    file = folder / ("Caddyfile" if program == "caddy" else f"{program}.conf")
    file.write_text(configuration)
    command = {
        "nginx": [path, "-p", str(folder), "-c", str(file)],
        "haproxy": [path, "-db", "-f", str(file)],
        "caddy": [path, "run", "--config", str(file), "--adapter", "caddyfile"],
    }[program]
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": "/usr/bin:/bin"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=home)
        try:
            yield
        finally:
            process.kill()  # caddy would wait for streams
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port: int = made.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port)):
            return True
    except ConnectionRefusedError:
        return False
