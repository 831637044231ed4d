"""One line for the admin about each action, and the sign before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.api.planning import Action, Step
from appliance.planning import own, resolv_conf

SIGNS = {"add": "+", "create": "+", "remove": "-", "delete": "-", "set": "~", "own": "~", "replace": "~", "write": "~"}

LINK_LABELS = {"mtu": "MTU", "gso_max_size": "GSO size", "tx_queue_len": "queue"}


def sign(step: Step) -> str:
    """`+` for what will be there, `-` for what will go, `~` for what changes."""
    if step.do.verb == "nft.replace":
        if step.do.args["ruleset"] is None:
            return "-"
        return "~" if step.undo.args["ruleset"] else "+"
    return SIGNS.get(step.do.verb.rpartition(".")[2], "~")


def describe(action: Action) -> str:
    """What the action does to the host, in words: "address 10.8.0.1/24 on llp0"."""
    args = action.args
    match action.verb.partition(".")[0]:
        case "tun" if action.verb == "tun.own":
            return f"TUN device {args['name']} for {_owner(args)} alone"
        case "tun":
            return f"TUN device {args['name']}" + (" with several queues" if args.get("multi_queue") else "")
        case "link" if action.verb == "link.delete":
            return f"interface {args['name']}"
        case "link":
            return f"interface {args['name']}: {_link_settings(args)}"
        case "address":
            return f"address {args['address']} on {args['link']}"
        case "route":
            return _route(args)
        case "rule":
            return _rule(args)
        case "sysctl":
            return f"setting {args['key']} = {args['value']}"
        case "nft":
            rules = sum("rule" in entry for entry in args["ruleset"] or ())
            return f"nftables table {args['table']}" + (f" with {rules} rules" if rules else "")
        case "resolved":
            return _resolved(args)
        case "resolv_conf":
            return _resolv_conf(args["text"])
        case _:
            return f"{action.verb} {dict(args)}"


def _resolv_conf(text: str | None) -> str:
    if text is None:
        return "no file /etc/resolv.conf"
    if not resolv_conf.interface_of(text):
        return "name servers in /etc/resolv.conf as they were"
    return (
        f"name server {' '.join(resolv_conf.servers(text))} in /etc/resolv.conf, for {resolv_conf.search(text)[0]} and all else"
    )


def _resolved(args: Mapping[str, Any]) -> str:
    if not args["servers"]:
        return f"no name server on {args['link']} in systemd-resolved"
    return f"name server {' '.join(args['servers'])} on {args['link']} in systemd-resolved, for {args['domains'][0]}"


def _owner(args: Mapping[str, Any]) -> str:
    names = {("owner", 0): "root", ("group", 0): "group root"}
    words = {"owner": "user", "group": "group"}
    return " and ".join(names.get((key, args[key]), f"{word} {args[key]}") for key, word in words.items() if key in args)


def _link_settings(args: Mapping[str, Any]) -> str:
    words = [f"{label} {args[key]}" for key, label in LINK_LABELS.items() if args.get(key) is not None]
    if args.get("up") is not None:
        words.append("up" if args["up"] else "down")
    return ", ".join(words)


def _route(args: Mapping[str, Any]) -> str:
    kind = args.get("type")
    text = f"{kind} route {args['destination']}" if kind else f"route {args['destination']}"
    if args.get("via"):
        text += f" via {args['via']}"
    if args["link"]:
        text += f" over {args['link']}"
    if args["metric"] not in {0, own.IPV6_ROUTE_METRIC}:
        text += f" metric {args['metric']}"
    return text if args["table"] == own.MAIN_TABLE else f"{text} in table {args['table']}"


def _rule(args: Mapping[str, Any]) -> str:
    words = [f"{key} {args[key]}" for key in ("from", "to") if args.get(key)]
    if args.get("fwmark") is not None:
        words.append(f"fwmark {args['fwmark']:#x}")
    what = ("not " if args.get("invert") else "") + (" ".join(words) or "everything")
    text = f"IPv{args['family']} rule {args['priority']}: {what} looks in table {args['table']}"
    shortest = args.get("suppress_prefixlength")
    return text if shortest is None else f"{text}, for routes longer than /{shortest}"
