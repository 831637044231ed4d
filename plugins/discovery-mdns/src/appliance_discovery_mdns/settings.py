"""What a profile may say below `discovery.mdns`."""

from __future__ import annotations

from pydantic import Field

from appliance.api.profile import Section
from appliance.api.profile_values import InterfaceName, Switch


class MdnsSettings(Section):
    """Finds peers on the networks that this host is in, and is found there."""

    interfaces: tuple[InterfaceName, ...] = Field(
        default=(), max_length=64, description="Where to look and be seen. Empty: every network that takes multicast."
    )
    announce: Switch = Field(
        default=True, description="Be found: say that a node is here, so that only those who know its identity learn whose."
    )
