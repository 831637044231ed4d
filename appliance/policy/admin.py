"""Whether a policy would end the session of the admin who applies it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from appliance.api.access import Group, What
from appliance.policy.checks import own_addresses
from appliance.policy.judging import TCP, Judge
from appliance.policy.subjects import HERE, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.api.profile import Profile
    from appliance.policy.subjects import Address

SSH_PORT: Final = 22


def shut_out(profile: Profile, text: str) -> str:
    """Why the session from `text` (an address, or what sshd puts into SSH_CONNECTION), which comes over the overlay, would not
    survive the policy; "" if it would. A member has whatever name and tags let it in: who is a member, a plan does not know."""
    words = text.split()
    address = ipaddress.ip_address(words[0].partition("%")[0])
    port = int(words[3]) if len(words) == 4 else SSH_PORT
    used, judge = What(None, TCP, (port, port)), Judge(profile)
    if any(judge.judge(one, HERE, used, address.version).allowed for one in _who_it_may_be(profile, address)):
        return ""
    return f"{address}: the policy denies {used} from it"


def _who_it_may_be(profile: Profile, address: Address) -> Iterator[Subject]:
    network = ipaddress.ip_network(address)
    peer = next((peer for peer in profile.peers if network in own_addresses(peer)), None)
    names, members = {"" if peer is None else peer.name}, profile.mesh is not None
    words = [who for entry in (profile.policy.allow if profile.policy else ()) for who in entry.from_]
    tags = frozenset(who.name for who in words if who.group is Group.TAG) if members else frozenset()
    if peer is None and members:
        names |= {who.name for who in words if who.group is Group.NAME}
    for name in sorted(names):
        yield Subject((network,), name, tags, peer=peer is not None or members, member=members)
