"""The first profile of a node in a network of members, as `appliance join` and `network new` write it: valid as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

_TEXT = """\
# The profile of a member of the network {label}. `appliance check` judges it, `appliance run` makes it so until it is stopped.
# Its addresses come from its certificate: `appliance network members` shows it. `appliance schema` prints all keys.
profile: 1
name: {name}

server:
  identity: {identity}
  # Where other members reach this node. Behind a router that forwards nothing it may stay as it is.
  listen:
    - "udp://0.0.0.0:8443"
    - "tcp://0.0.0.0:8443"

mesh:
  network: "{network}"
  label: {label_text}
"""
_BOOTSTRAP = """\
  # Members to call first. The others are learned from them.
  bootstrap:
"""


def member_starter(
    name: str, identity: str, network: str, label: str, bootstrap: Mapping[str, Sequence[str]] | None = None
) -> str:
    """A commented profile in YAML for the node `name`. `identity`: the reference of its key; `network`: the fingerprint;
    `bootstrap`: endpoints by fingerprint."""
    text = _TEXT.format(
        name=json.dumps(name), identity=json.dumps(identity), network=network, label=label, label_text=json.dumps(label)
    )
    if not bootstrap:
        return text
    entries = (f"    - identity: {json.dumps(who)}\n      endpoints: {json.dumps(list(at))}\n" for who, at in bootstrap.items())
    return text + _BOOTSTRAP + "".join(entries)
