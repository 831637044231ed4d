"""The status of a node for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.api.values import RELAY
from appliance.cli.terminal import Terminal, bytes_text, seconds_text, table

SENDERS = 3
"""Of those whose packets or streams the policy denied, so many are named."""


def status_text(answer: Mapping[str, Any], terminal: Terminal) -> str:
    """The status for people: a head, the sessions, peers without one, and what is wrong."""
    blocks = [
        _head(answer, terminal),
        _sessions(answer),
        _passed_over(answer),
        _circuits(answer),
        _peers_without_session(answer),
        _classes(answer),
        _trouble(answer, terminal),
    ]
    return "\n\n".join(block for block in blocks if block)


def _head(answer: Mapping[str, Any], terminal: Terminal) -> str:
    state = str(answer["state"])
    interface = answer.get("interface") or {}
    where = "  in a network of its own (rootless)" if answer.get("rootless") else ""
    worker = answer.get("worker") or {}
    styled_state = terminal.styled(state, "green" if state == "running" else "yellow")
    offloads = ", ".join(worker.get("offloads") or ()) or "none"
    addresses = ", ".join(interface.get("addresses") or ())
    name = terminal.styled(str(answer["name"]), "bold")
    instance = f", instance {answer['instance']}" if answer.get("instance") else ""
    lines = [
        f"{name}  {styled_state}  version {answer.get('version')}, pid {answer.get('pid')}{instance}",
        f"identity   {answer.get('identity')}",
        *_profile(answer.get("profile")),
        *_mesh(answer.get("mesh")),
        f"interface  {interface.get('name')}  {addresses}  mtu {interface.get('mtu')}{where}{_differs(interface, terminal)}",
        f"listens    {', '.join(answer.get('listen') or ()) or 'nowhere (dials only)'}",
        *_names(answer.get("names")),
        *_management(answer.get("management")),
        f"{_pids(worker)}, offloads {offloads}, restarts {worker.get('restarts', 0)}",
    ]
    return "\n".join(lines)


def _profile(profile: Mapping[str, Any] | None) -> list[str]:
    """None of a daemon that does not tell."""
    if not profile:
        return []
    shown = lasting(profile) or ", ".join(profile["in_force"])
    return [f"profile    {shown}", *(f"refused    {sentence}" for sentence in profile.get("refused") or ())]


def _mesh(mesh: Mapping[str, Any] | None) -> list[str]:
    """None of a node without one. What is wrong with its own membership is among the problems."""
    if not mesh:
        return []
    counts = {"set aside": "set_aside", "not taken": "not_taken", "frauds": "frauds"}
    notes = "".join(f", {len(mesh[key])} {what}" for what, key in counts.items() if mesh.get(key))
    own = f"{mesh['name']}.{mesh['label']} until {mesh['expires']}" if mesh.get("name") else f"{mesh['label']}, no member now"
    return [f"network    {own}; members {mesh['members']}{notes}"]


def lasting(profile: Mapping[str, Any]) -> str:
    """What becomes of the profile in force, when a reload or a start would bring other files into force."""
    if profile.get("lasts", True):
        return ""
    after = ", ".join(profile["next"]) or "the system's profile, and there is none"
    return f"in force is {', '.join(profile['in_force'])}; a reload without PATH, and the next start, read {after}"


def _management(management: Mapping[str, Any] | None) -> list[str]:
    """The API server: where it is, and what clients may pin."""
    if not management:
        return []
    where = ", ".join([*management["listen"], str(management["socket"])])
    lines = [f"management {where}{'' if management['ready'] else '  (not ready)'}"]
    if pin := (management.get("certificate") or {}).get("pin"):
        backup = management["certificate"].get("backup")
        lines.append(f"  pin      {pin}{f', next {backup}' if backup else ''}")
    if tracing := management.get("tracing"):
        lines.append(f"  traces   {_traces(tracing)}")
    return lines


def _traces(tracing: Mapping[str, Any]) -> str:
    """Where they go."""
    if not tracing["collector"]:
        return "kept here: appliance debug trace"
    dropped = sum(tracing["dropped"].values())
    lost = f", {dropped} steps dropped" if dropped else ""
    return f"to {tracing['collector']}{lost}" + (f"  ({tracing['problem']})" if tracing["problem"] else "")


def _names(names: Mapping[str, Any] | None) -> list[str]:
    return [f"names      NAME.{names['label']}, answered at {names['address']}"] if names else []


def _differs(interface: Mapping[str, Any], terminal: Terminal) -> str:
    """What the profile says otherwise than the kernel."""
    if interface.get("there") is False:
        return terminal.styled("  (there is no such interface)", "yellow")
    differs = interface.get("differs") or {}
    said = [
        f"{key} {', '.join(value) or 'none'}" if isinstance(value, list) else "up" if key == "up" else f"{key} {value}"
        for key, value in differs.items()
    ]
    return terminal.styled(f"  (profile: {'; '.join(said)})", "yellow") if said else ""


def _pids(worker: Mapping[str, Any]) -> str:
    pids = worker.get("pids") or ()
    return f"workers    pids {', '.join(map(str, pids))}" if len(pids) > 1 else f"worker     pid {worker.get('pid')}"


def _sessions(answer: Mapping[str, Any]) -> str:
    sessions = answer.get("sessions") or ()
    compressed = any(_compressed(session) for session in sessions)
    rows = [
        (
            str(session["peer"]),
            str(session.get("state", "")),
            str(session.get("suite", "")),
            "yes" if session.get("pq") else "NO",
            _way(str(session.get("endpoint") or ""), answer),
            bytes_text(session.get("rx_bytes", 0)),
            bytes_text(session.get("tx_bytes", 0)),
            f"{session['rtt_ms']:.1f} ms" if session.get("rtt_ms") is not None else "",
            seconds_text(session.get("age_s") or 0.0),
            *([_compressed(session)] if compressed else []),
        )
        for session in sessions
    ]
    head = ["session with", "state", "suite", "pq", "endpoint", "received", "sent", "rtt", "age"]
    head += ["compression"] if compressed else []
    return table(head, rows) if rows else "no sessions"


def _passed_over(answer: Mapping[str, Any]) -> str:
    """Better endpoints than those that sessions go by."""
    rows = [
        (str(peer["name"]), str(each["endpoint"]), str(each["reason"]))
        for peer in answer.get("peers") or ()
        for each in peer.get("passed_over") or ()
    ]
    return table(("session with", "goes not by", "since"), rows) if rows else ""


def _way(endpoint: str, answer: Mapping[str, Any]) -> str:
    """An endpoint, or by which peer a session is relayed."""
    scheme, _, relay = endpoint.partition("://")
    if scheme != RELAY:
        return endpoint
    names = {peer.get("identity"): str(peer["name"]) for peer in answer.get("peers") or ()}
    return f"relayed by {names.get(relay, relay)}"


def _circuits(answer: Mapping[str, Any]) -> str:
    """The peers that this node joins, where it is a relay."""
    serves = (answer.get("relays") or {}).get("serves") or {}
    rows = [
        (
            f"{circuit['caller']} and {circuit['callee']}",
            bytes_text(circuit["to_caller_bytes"]),
            bytes_text(circuit["to_callee_bytes"]),
            str(circuit["lost_records"]),
            seconds_text(circuit["age_s"]),
        )
        for circuit in serves.get("circuits") or ()
    ]
    return table(("relay for", "to the first", "to the second", "lost", "age"), rows) if rows else ""


def _compressed(session: Mapping[str, Any]) -> str:
    """By what a session's packets are compressed, and what that saves of both directions; nothing when they are not."""
    if session.get("compression", "off") == "off":
        return ""
    both = session["rx_bytes"] + session["tx_bytes"]
    saved = session["rx_saved"] + session["tx_saved"]
    return f"{session['compression']}, {100 * saved / both:.0f} % less" if both else str(session["compression"])


def _peers_without_session(answer: Mapping[str, Any]) -> str:
    rows = [
        (str(peer["name"]), str(peer.get("state", "")), ", ".join(peer.get("endpoints") or ()), str(peer.get("last_error") or ""))
        for peer in answer.get("peers") or ()
        if peer.get("state") != "connected" or peer.get("last_error")
    ]
    return table(("without session", "state", "endpoints", "last error"), rows) if rows else ""


def _classes(answer: Mapping[str, Any]) -> str:
    rows = [
        (
            name,
            f"{figures['packets']} ({bytes_text(figures['bytes'])})",
            str(figures["dropped"]),
            str(figures["marked"]),
            bytes_text(figures["queued"]),
        )
        for name, figures in (answer.get("qos") or {}).items()
    ]
    return table(("class", "sent", "dropped", "marked", "waiting"), rows) if rows else ""


def _trouble(answer: Mapping[str, Any], terminal: Terminal) -> str:
    lines = []
    handshakes = {reason: count for reason, count in (answer.get("handshakes") or {}).items() if count}
    if handshakes:
        lines.append("handshakes " + ", ".join(f"{reason} {count}" for reason, count in sorted(handshakes.items())))
    drops = {reason: count for reason, count in (answer.get("drops") or {}).items() if count}
    if drops:
        lines.append("drops      " + ", ".join(f"{reason} {count}" for reason, count in sorted(drops.items())))
    lines += _denied(answer.get("policy"))
    refused = [session for session in answer.get("sessions") or () if session.get("offload_problem")]
    if refused:
        reasons = ", ".join(sorted({str(session["offload_problem"]) for session in refused}))
        lines.append(f"offload    {len(refused)} session(s) without the kernel's ({reasons}), so slower: see `appliance doctor`")
    for name, reason in _short(answer).items():
        lines.append(f"{terminal.styled('short', 'yellow')}      {name}: {reason}; see `appliance doctor`")
    for part, problem in (answer.get("problems") or {}).items():
        lines.append(f"{terminal.styled('problem', 'yellow')}    {part}: {problem}")
    lines += [
        f"{terminal.styled('warning', 'yellow')}    {one['finding']}; {one['todo']}" for one in answer.get("warnings") or ()
    ]
    if answer.get("confirm_by") is not None:
        lines.append(
            f"{terminal.styled('unconfirmed', 'yellow')}: everything is undone in {seconds_text(answer['confirm_by'])} "
            "unless you run `appliance confirm`"
        )
    return "\n".join(lines)


def _short(answer: Mapping[str, Any]) -> dict[str, str]:
    """What the node, or its API server, is short of."""
    return dict((answer.get("management") or {}).get("short") or {}) | dict(answer.get("short") or {})


def _denied(policy: Mapping[str, Any] | None) -> list[str]:
    """What the policy denied; nothing without one."""
    denied = (policy or {}).get("denied") or {}
    sums = [f"{count} packets {where}" for where, count in (denied.get("packets") or {}).items() if count]
    senders = [str(one["from"]) for one in denied.get("senders") or () if one["packets"]][:SENDERS]
    lines = [f"denied     {', '.join(sums)}; most from {', '.join(senders)}"] if sums else []
    streams = (denied.get("streams") or ())[:SENDERS]
    told = ", ".join(f"{one['service']} for {one['from']} {one['times']}" for one in streams)
    return [*lines, *([f"denied     streams to {told}"] if told else [])]
