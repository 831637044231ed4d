"""The first profile of a new node, as `appliance init` writes it. It is valid as it is, and its comments say what comes next."""

from __future__ import annotations

from urllib.parse import quote

_TEXT = """\
# The profile of this node. `appliance check` judges it, `appliance plan` shows what it would change on this host,
# `appliance run` makes it so until it is stopped. `appliance schema` prints the JSON Schema with all keys; an editor helps
# along when the next line names the file you saved it to (remove one of its two marks):
## yaml-language-server: $schema=profile-1.schema.json
profile: 1
name: {name}

server:
  # Made by `appliance keys new PATH`. Peers need the public half: `appliance keys show PATH`.
  identity: {identity}
  # Where peers can reach this node. Remove the list when it only dials out.
  listen:
    - "udp://0.0.0.0:8443"
    - "tcp://0.0.0.0:8443"

network:
  interface: llp0
  # This node's addresses inside the overlay; every node has its own.
  addresses:
    - 10.8.0.1/24
    - "fd00:8::1/64"
  mtu: 1400

# Post-quantum key exchange is required unless you say otherwise.
crypto:
  pq: required

# One entry for each node that may connect.
#peers:
#  - name: laptop
#    identity: "llp1:{example}"
#    # Where to reach it, best first. Leave this out when the peer calls us.
#    endpoints: ["udp://198.51.100.7:8443"]
#    # What is behind the peer: only these sources are taken from it.
#    allowed: [10.8.0.2/32, "fd00:8::2/128"]

# Figures for Prometheus, and /health and /ready for probes, on this host only.
monitoring:
  prometheus: {{listen: "127.0.0.1:9464"}}
  health: {{listen: "127.0.0.1:9465"}}
"""
_EXAMPLE_IDENTITY = "a" * 52


def starter(name: str = "appliance", identity: str = "/etc/appliance/identity") -> str:
    """A commented profile in YAML for a node called `name`, with its key in that file."""
    reference = f"file:{quote(identity)}"
    return _TEXT.format(name=f'"{name}"' if _needs_quotes(name) else name, identity=reference, example=_EXAMPLE_IDENTITY)


def _needs_quotes(name: str) -> bool:
    """Would YAML, old or new, read this name as something else than text?"""
    return name.lower() in {"yes", "no", "on", "off", "y", "n", "true", "false", "null"} or not name[:1].isalpha()
