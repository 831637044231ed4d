"""`appliance compat`: would a client of one description get along with another?"""

from __future__ import annotations

import argparse

from appliance.cli.clients.generating import description
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode
from appliance.management.compatibility.change import Kind
from appliance.management.compatibility.documents import differences


def compat(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Compare two descriptions of the API."""
    try:
        found = differences(description(arguments.old), description(arguments.new))
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ApplianceError(
            f"one of them is no complete OpenAPI 3.1 document ({error!r})",
            hint="take those that nodes serve at /api/v1/openapi.json",
        ) from error
    broken = [change for change in found if change.kind is Kind.BREAKING]
    lines = [
        f"{terminal.styled(change.kind, 'red' if change.kind is Kind.BREAKING else 'green')}  {change.where} {change.sentence}"
        for change in found
    ]
    said = f"{len(broken)} breaking, {len(found) - len(broken)} additions" if found else "no difference"
    terminal.result({"compatible": not broken, "changes": [change._asdict() for change in found]}, "\n".join([*lines, said]))
    if broken:
        return ExitCode.FAILURE
    return ExitCode.CHANGES_PENDING if found else ExitCode.OK
