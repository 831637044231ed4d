"""Checks of the running node, by what it says about itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from appliance.cli.doctor.facts import NodeFacts
from appliance.cli.doctor.finding import OFFLOAD_TODO, Finding, failure, note, warning
from appliance.runtime.health import Health

MANY_DROPS = 0.01
"""The share of dropped packets that is worth a finding. A bad radio link stays below it."""
CERTIFICATE_DAYS = 14
DROPPED_SHARE = 0.01
"""Of the steps of traces."""
"""A certificate that has fewer days left is worth a finding: who renews it by a program does so earlier."""
SHOWN = 3
"""So many of a kind are named."""


def daemon_absent(facts: NodeFacts) -> Iterator[Finding]:
    """There is no node; its network may still be there."""
    if facts.problem == "no-daemon" and facts.applied:
        yield warning(
            "applied-without-daemon",
            "a profile is applied to this host, but no daemon runs: no packet crosses the overlay",
            "`appliance run` (or systemctl start appliance) takes it over, `appliance rollback` undoes it",
        )
    elif facts.problem == "no-daemon":
        yield note("no-daemon", "no daemon runs in this network namespace", "start one: appliance run PROFILE")
    elif facts.problem == "forbidden":
        yield warning("control-forbidden", "this user may not ask the daemon", "ask as root, or join the profile's control.group")
    elif facts.problem:
        yield failure(
            "daemon-silent", facts.problem, "look at its log; kill -9 it if it hangs: the next start puts the host right"
        )


def version_differs(facts: NodeFacts) -> Iterator[Finding]:
    """After an upgrade the old daemon goes on running."""
    if facts.status and facts.version and facts.status.get("version") not in (None, facts.version):
        yield warning(
            "version-differs",
            f"the daemon is version {facts.status['version']}, this command {facts.version}",
            "restart the daemon: systemctl restart appliance",
        )


def worker(facts: NodeFacts) -> Iterator[Finding]:
    """The process that moves packets."""
    state = (facts.status or {}).get("worker")
    if state is None:
        return
    if state.get("restarts"):
        yield warning(
            "worker-restarted",
            f"the data-plane process died {state['restarts']} time(s) and was started again",
            "look for `worker` in the log and for the out-of-memory killer in `dmesg`, and report it",
        )
    if not {"tso4", "tso6"} <= set(state.get("offloads") or ()):
        yield warning(
            "offload-missing",
            "the TUN device runs without segmentation offload: one packet at a time, a tenth of the speed",
            "take network.offload: off out of the profile; otherwise the kernel lacks it (5.0 and later have it)",
        )


def host_drift(facts: NodeFacts) -> Iterator[Finding]:
    """The running node notices when something is taken away from it."""
    problem = Health.of(facts.status or {}).problems.get("host")
    if problem:
        yield failure(
            "host-drift",
            f"the host is not as the profile says: {problem}",
            "find out who changes it (the log names it where it can) and let that leave the node's things alone; "
            "`appliance apply` brings them back",
        )


def names_unanswered(facts: NodeFacts) -> Iterator[Finding]:
    """Programs ask the node for names, and it cannot answer."""
    if problem := Health.of(facts.status or {}).problems.get("names"):
        yield failure(
            "names-unanswered",
            f"programs of this host get no answers about names: {problem}",
            "end what has port 53 of the node's address (ss -lnp sport = :53), or write names.host: off; the node tries again",
        )


def part_unwell(facts: NodeFacts) -> Iterator[Finding]:
    """Whatever else the node says of its parts, so that a node that calls itself degraded never looks well here."""
    for part, problem in Health.of(facts.status or {}).problems.items():
        if part not in {"host", "names"} and not part.startswith("plugin."):
            yield warning(
                "part-unwell", f"{part}: {problem}", "the node's log says more; docs/troubleshooting.md has what it may mean"
            )


def offload_refused(facts: NodeFacts) -> Iterator[Finding]:
    """The kernel cuts records into datagrams if it can."""
    refused = [session for session in (facts.status or {}).get("sessions") or () if session.get("offload_problem")]
    if refused:
        reasons = ", ".join(sorted({session["offload_problem"] for session in refused}))
        yield warning(
            "udp-offload-refused",
            f"the kernel does not cut records into datagrams on the way to {len(refused)} peers ({reasons}); the node does it, "
            "slower",
            OFFLOAD_TODO,
        )


def blocked(facts: NodeFacts) -> Iterator[Finding]:
    """Peers with which the node has no session on purpose."""
    for peer in _blocked_peers(facts):
        why = f" ({peer['reason']})" if peer.get("reason") else ""
        if peer.get("by"):
            yield note(
                "peer-blocked",
                f"{peer['by']} has blocked peer {peer['name']}{why}",
                f"to take it back: appliance peers unblock {peer['name']}",
            )
        else:
            yield warning(
                "peer-blocked",
                f"the node has blocked peer {peer['name']} for a while{why}",
                "look at that host: what it does no honest member does. `appliance peers scores` tells what was seen",
            )


def _blocked_peers(facts: NodeFacts) -> Sequence[Mapping[str, Any]]:
    scores = ((facts.status or {}).get("knowledge") or {}).get("scores") or {}
    return scores.get("peers") or ()


def unconnected(facts: NodeFacts) -> Iterator[Finding]:
    """Peers that should have a session."""
    blocked = {each["name"] for each in _blocked_peers(facts)}
    for peer in (facts.status or {}).get("peers") or ():
        if peer["name"] in blocked:
            continue
        if peer.get("state") == "connecting" or (peer.get("state") != "connected" and peer.get("last_error")):
            reason = f": {peer['last_error']}" if peer.get("last_error") else ""
            yield warning(
                "peer-unconnected",
                f"peer {peer['name']} has no session{reason}",
                "check on the peer: does it run, is its identity the one in this profile and ours the one in its, "
                "does its firewall pass the port",
            )
        elif peer.get("state") == "connected" and peer.get("last_error"):
            yield warning(
                "endpoint-unanswered",
                f"peer {peer['name']} has a session, but does not answer where the profile says: {peer['last_error']}",
                "look for a typo in its endpoints; when the session ends, it could not be called any more",
            )


def not_post_quantum(facts: NodeFacts) -> Iterator[Finding]:
    """With crypto.pq `prefer` or `off` a session may be what `required` refuses."""
    for session in (facts.status or {}).get("sessions") or ():
        if session.get("pq") is False:
            yield warning(
                "session-classical",
                f"the session with {session['peer']} is not post-quantum",
                "set crypto.pq: required on both nodes",
            )


def many_drops(facts: NodeFacts) -> Iterator[Finding]:
    """A share of dropped packets that no ordinary path explains."""
    status = facts.status or {}
    drops = {reason: count for reason, count in (status.get("drops") or {}).items() if count}
    received = sum(session.get("rx_packets", 0) for session in status.get("sessions") or ())
    total = sum(drops.values())
    if total > 100 and total > MANY_DROPS * (received + total):
        worst = max(sorted(drops), key=lambda reason: drops[reason])
        yield warning(
            "drops-many",
            f"{total} packets were dropped, most of them for {worst} ({drops[worst]})",
            "docs/troubleshooting.md tells what each reason means and what to do",
        )


def denied(facts: NodeFacts) -> Iterator[Finding]:
    """What the policy denies may be what somebody needs, or somebody who tries."""
    told = ((facts.status or {}).get("policy") or {}).get("denied") or {}
    packets = [f"{one['packets']} packets from {one['from']}" for one in told.get("senders") or () if one["packets"]]
    streams = [f"{one['times']} streams from {one['from']} to {one['service']}" for one in told.get("streams") or ()]
    if packets or streams:
        yield note(
            "policy-denied",
            f"the policy denied {', '.join([*packets[:SHOWN], *streams[:SHOWN]])}",
            "if they should be let in, add them to policy.allow, with a test; otherwise all is well",
        )


def meant_nobody(facts: NodeFacts) -> Iterator[Finding]:
    """A word of the policy that is misspelt lets nobody in, and nobody is told."""
    nobody = ((facts.status or {}).get("policy") or {}).get("nobody") or ()
    if nobody:
        named = ", ".join([*nobody[:SHOWN], *(["others"] if len(nobody) > SHOWN else [])])
        yield note(
            "policy-means-nobody",
            f"the policy names {named}, and means nobody by that now",
            "look for a typo in policy.allow, and which tags the certificates have: appliance network show",
        )


def plugins(facts: NodeFacts) -> Iterator[Finding]:
    """The daemon names plugins that failed."""
    for plugin in (facts.status or {}).get("plugins") or ():
        if plugin.get("state") in {"failed", "degraded"}:
            yield warning(
                "plugin-failed",
                f"plugin {plugin['name']}: {plugin.get('problem')}",
                f"update or reinstall it, or take it out of the profile's plugins; try `appliance plugin check {plugin['name']}`",
            )


def advice(facts: NodeFacts) -> Iterator[Finding]:
    """What the node noticed since it started: names that resolve into the tunnel, networks that go into it."""
    for one in (facts.status or {}).get("warnings") or ():
        yield warning(one["code"], one["finding"], one["todo"])


def unconfirmed(facts: NodeFacts) -> Iterator[Finding]:
    """An apply waits for its confirmation."""
    left = (facts.status or {}).get("confirm_by")
    if left is not None:
        yield warning("unconfirmed", f"everything applied is undone in {left:.0f} s", "`appliance confirm` keeps it")


def management_edge(facts: NodeFacts) -> Iterator[Finding]:
    """How the API server is reached."""
    management = (facts.status or {}).get("management") or {}
    certificate = management.get("certificate") or {}
    if plain := management.get("plain"):
        yield warning(
            "management-plain",
            f"the API server speaks HTTP without TLS at {', '.join(plain)}: whoever is on the way reads passwords and tokens",
            "take management.tls.plain out of the profile; the API server makes a certificate of its own",
        )
    if management.get("shares_user"):
        yield warning(
            "management-user",
            "there is no user appliance-api: the API server runs as nobody, whose programs may read its keys",
            "make it and restart the node: useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin "
            "appliance-api",
        )
    for name, reason in (management.get("short") or {}).items():
        yield warning(
            "host-short",
            f"the API server is short of {name} and turns strangers away, at the worst everybody but root: {reason}",
            "see what takes it: appliance top, appliance api server; limits.pressure in the profile says from where on",
        )
    if (until := certificate.get("until")) and (days := _days_until(until, facts.now)) < CERTIFICATE_DAYS:
        yield warning(
            "management-certificate",
            f"the API server's certificate ends in {days:.0f} days" if days > 0 else "the API server's certificate has ended",
            "renew the files of management.tls; one of the API server's own is renewed by itself: look at its log",
        )
    if certificate.get("exchange") == "X25519":
        yield note(
            "management-classical",
            "TLS of the API server is not post-quantum: this OpenSSL is older than 3.5",
            "listen at an address of the overlay, whose tunnel is; or bring a Python with OpenSSL 3.5",
        )


def traces(facts: NodeFacts) -> Iterator[Finding]:
    """Do traces reach their collector?"""
    tracing = ((facts.status or {}).get("management") or {}).get("tracing") or {}
    full = (tracing.get("dropped") or {}).get("full", 0)
    if problem := tracing.get("problem"):
        yield warning(
            "traces-unsent",
            f"traces do not reach the collector {tracing['collector']}: {problem}",
            "look at management.tracing and at the collector; requests are answered all the same, and the newest are in "
            "`appliance debug trace`",
        )
    elif full > tracing.get("sent", 0) * DROPPED_SHARE:
        yield note(
            "traces-dropped",
            f"the collector is slower than traces come: {full} steps found no room, {tracing['sent']} were taken",
            "lower management.tracing.sample, or have a collector that is nearer",
        )


def _days_until(when: str, now: float) -> float:
    return (datetime.fromisoformat(when).timestamp() - now) / 86400


CHECKS: tuple[Callable[[NodeFacts], Iterator[Finding]], ...] = (
    daemon_absent,
    version_differs,
    worker,
    host_drift,
    names_unanswered,
    part_unwell,
    offload_refused,
    blocked,
    unconnected,
    not_post_quantum,
    management_edge,
    traces,
    many_drops,
    denied,
    meant_nobody,
    plugins,
    advice,
    unconfirmed,
)
