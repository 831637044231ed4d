"""Passes on what is said between standard input and output and the control socket of this host's node, as a program. Run by file
name: it needs the standard library alone. It says one byte first: `+` when it is connected, nothing when nobody listens.
"""

from __future__ import annotations

import os
import select
import socket
import sys

CONTROL = "\0appliance"
"""The control socket of the node without a name, abstract (docs/control-socket.md)."""
CONNECTED = b"+"
PIECE = 1 << 16


def main() -> int:
    """Until either side hangs up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as node:
        try:
            node.connect(CONTROL)
        except OSError:
            return 1
        os.write(1, CONNECTED)
        while True:
            ready, _, _ = select.select([0, node.fileno()], [], [])
            for source in ready:
                piece = os.read(source, PIECE)
                if not piece:
                    return 0
                if source:
                    _write(piece)
                else:
                    node.sendall(piece)


def _write(piece: bytes) -> None:
    while piece:
        piece = piece[os.write(1, piece) :]


if __name__ == "__main__":
    sys.exit(main())
