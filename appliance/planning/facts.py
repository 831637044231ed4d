"""What must be true on the host once an action has been performed."""

from __future__ import annotations

from appliance.api.planning import Action

_NOUNS = {
    "link.set": ("link", True),
    "link.delete": ("link", False),
    "tun.create": ("link", True),
    "tun.own": ("link", True),
    "address.add": ("address", True),
    "address.remove": ("address", False),
    "route.add": ("route", True),
    "route.remove": ("route", False),
    "rule.add": ("rule", True),
    "rule.remove": ("rule", False),
    "sysctl.set": ("sysctl", True),
    "nft.replace": ("nft", True),
    "resolv_conf.write": ("resolv_conf", True),
    "resolved.set": ("resolved", True),
}
VERBS = frozenset(_NOUNS)


def fact(action: Action) -> Action:
    """What must be true on the host once `action` was performed. KeyError if the verb is not one of ours."""
    noun, present = _NOUNS[action.verb]
    return Action(noun, {**action.args, "present": present})
