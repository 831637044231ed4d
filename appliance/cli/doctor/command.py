"""The command: observe, judge, print."""

from __future__ import annotations

import argparse

from appliance.cli.doctor import figure_checks, host_checks, node_checks, profile_checks
from appliance.cli.doctor.facts import Facts, ProfileFacts
from appliance.cli.doctor.finding import Finding, Severity
from appliance.cli.terminal import Terminal
from appliance.errors import ExitCode
from appliance.planning import firewalls

_SIGNS = {Severity.FAILURE: ("✗", "red"), Severity.WARNING: ("!", "yellow"), Severity.NOTE: ("·", "dim")}
_ORDER = (Severity.FAILURE, Severity.WARNING, Severity.NOTE)


def doctor(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Look at everything, and say what is wrong. FAILURE if something does not work, DEGRADED if it works but not well."""
    from appliance.cli.opening import chosen
    from appliance.cli.parser import seconds_of

    seconds = seconds_of(arguments.during, "--during") if arguments.during else 0.0
    found = diagnose(observe(chosen(arguments.profile, terminal), terminal, seconds))
    worst = found[0].severity if found else Severity.NOTE
    document = {"ok": worst is Severity.NOTE, "findings": [{**one._asdict(), "severity": one.severity.value} for one in found]}
    terminal.result(document, findings_text(found, terminal))
    return {Severity.FAILURE: ExitCode.FAILURE, Severity.WARNING: ExitCode.DEGRADED, Severity.NOTE: ExitCode.OK}[worst]


def observe(profile: str | None, terminal: Terminal, seconds: float = 0.0) -> Facts:
    """Everything that the checks need, with a line on standard error for what takes time. `seconds`: a running node is asked for
    its figures twice, so far apart."""
    from appliance.cli.doctor.observe_host import observe_host
    from appliance.cli.doctor.observe_node import observe_node
    from appliance.cli.doctor.observe_profile import observe_profile

    host = observe_host()
    node = observe_node(terminal, seconds)
    # A node that listens is the reason why its ports are taken.
    listening = set(node.status.get("listen") or ()) if node.status else set()
    return Facts(host, observe_profile(profile, terminal, listening=listening, may_plan=host.net_admin), node)


def diagnose(facts: Facts) -> list[Finding]:
    """What all checks found: the worst first, otherwise in the order of the checks."""
    found = [finding for check in host_checks.CHECKS for finding in check(facts)]
    found += [finding for check in profile_checks.CHECKS for finding in check(facts.profile or ProfileFacts())]
    of_node = [finding for check in (*node_checks.CHECKS, *figure_checks.CHECKS) for finding in check(facts.node)]
    if facts.profile is not None and facts.profile.pending is not None:
        # the plan looked at the firewalls just now, the node some seconds ago
        of_node = [finding for finding in of_node if finding.code != firewalls.CODE]
    found += of_node
    found = list(dict.fromkeys(found))  # the node and its profile may tell the same
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


def findings_text(found: list[Finding], terminal: Terminal) -> str:
    """The findings for people, each with its code and what to do."""
    lines = []
    for finding in found:
        sign, style = _SIGNS[finding.severity]
        lines.append(f"{terminal.styled(sign, style)} {terminal.styled(finding.code, 'bold')}: {finding.finding}")
        lines.append(f"    {finding.todo}")
    if not any(finding.severity is not Severity.NOTE for finding in found):
        lines.append(terminal.styled("nothing hinders the node", "green"))
    return "\n".join(lines)
