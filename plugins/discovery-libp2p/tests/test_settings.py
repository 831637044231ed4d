"""What a profile may say, and what the admin reads when it says something else."""

from __future__ import annotations

from typing import Any

import pytest

from appliance_discovery_libp2p.settings import Libp2pSettings


def test_it_goes_without_a_word() -> None:
    settings = Libp2pSettings.model_validate({})
    assert (settings.network, settings.announce, settings.listen, settings.bootstrap) == ("/llp/kad/1.0.0", True, (), ())


@pytest.mark.parametrize(
    "written",
    [
        {"listen": ["/dns/node.example/tcp/4001"]},
        {"listen": ["/ip4/0.0.0.0/tcp/4001/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"]},
        {"bootstrap": ["198.51.100.7:4001"]},
        {"bootstrap": ["/ip4/198.51.100.7/udp/4001/quic-v1"]},
        {"network": "llp"},
        {"endpoints": ["udp://vpn.example:8443"]},
        {"endpoints": ["udp://127.0.0.1:8443"]},
        {"endpoints": ["nonsense"]},
        {"lisen": []},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Libp2pSettings.model_validate(written)
