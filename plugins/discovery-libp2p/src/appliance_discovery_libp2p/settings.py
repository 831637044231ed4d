"""What a profile may say below `discovery.libp2p`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from appliance.api.profile import Section
from appliance.api.profile_values import Switch
from appliance.api.values import Endpoint
from appliance_discovery_libp2p.place import MOST_ENDPOINTS, callable_from_here
from appliance_discovery_libp2p.wire import multiaddr


def _address(text: str) -> str:
    multiaddr.parse(text)
    return text


def _listening(text: str) -> str:
    address = multiaddr.parse(text)
    if address.peer is not None or address.kind:
        raise ValueError(f"{text!r}: one listens at an address and a port, for example /ip4/0.0.0.0/tcp/4001")
    return text


class Libp2pSettings(Section):
    """Finds peers through a libp2p network, and is found there."""

    bootstrap: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        default=(),
        max_length=32,
        description="Peers of the network that are called first, as /ip4/198.51.100.7/tcp/4001/p2p/12D3KooW…",
    )
    listen: tuple[Annotated[str, AfterValidator(_listening)], ...] = Field(
        default=(),
        max_length=8,
        description="Where peers of the network may call, as /ip4/0.0.0.0/tcp/4001. Empty: it only calls, and keeps nothing.",
    )
    network: str = Field(
        default="/llp/kad/1.0.0",
        pattern=r"^/[\x21-\x7e]{1,120}$",
        description="The protocol of the network's Kademlia. The public one of IPFS is /ipfs/kad/1.0.0.",
    )
    announce: Switch = Field(
        default=True, description="Be found: say where this node can be called, to those who know its identity."
    )
    endpoints: tuple[str, ...] = Field(
        default=(),
        max_length=MOST_ENDPOINTS,
        description="Where this node can be called, as udp://198.51.100.7:8443. Empty: where it listens, as others see it.",
    )

    @field_validator("endpoints")
    @classmethod
    def _callable(cls, endpoints: tuple[str, ...]) -> tuple[str, ...]:
        for text in endpoints:
            if not callable_from_here(Endpoint.parse(text)):
                raise ValueError(f"{text!r}: others are told an address and a port, or a relay")
        return endpoints
