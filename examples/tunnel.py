"""A local port that leads to a service of a peer: any program of this host may use it.

python examples/tunnel.py PEER SERVICE    on a host with a node, until Ctrl-C
python examples/tunnel.py trial           here: a web server behind the node `left`, asked through a tunnel of `right`
"""

from __future__ import annotations

import asyncio
import http.server
import sys
import threading
import urllib.request

from trial import trial

from appliance.sdk import Client, SDKError
from appliance.sdk.serving import server_behind


async def tunnel(peer: str, service: str) -> None:
    """Until Ctrl-C."""
    async with Client() as client, client.tunnel(peer, service) as opened:
        host, port = opened.local_address
        print(f"{host}:{port} leads to {service} of {peer}")
        await asyncio.Event().wait()


class Page(http.server.BaseHTTPRequestHandler):
    """A web server that knows nothing of the overlay."""

    def do_GET(self) -> None:
        """One page."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a page of left")


def fetched(port: int) -> str:
    """What a browser gets, which knows nothing of the overlay either."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
        return str(page.read().decode())


async def main() -> None:
    """With a peer of this host's node, or as a trial."""
    if len(sys.argv) == 3:
        return await tunnel(*sys.argv[1:])
    if sys.argv[1:] != ["trial"]:
        sys.exit(__doc__)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        async with trial() as (left, right), Client(left) as there, Client(right) as here, here.tunnel("left", "web") as opened:
            served = asyncio.Event()
            behind = server_behind(("127.0.0.1", server.server_port))
            serving = asyncio.create_task(there.serve("web", behind, begun=served.set))
            await served.wait()
            print(await asyncio.to_thread(fetched, opened.local_address[1]))
            print(f"{opened.metrics.bytes_received} bytes came through the tunnel")
            serving.cancel()
        server.shutdown()
    return None


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SDKError as error:
        sys.exit(error.text())
