"""Rows for the node's audit log. The node keeps one whenever it has an API server."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from appliance.management.operations.row import Arguments, Result, Row, Verb

_AUDIT: Final = "Audit"


class AuditAsked(Arguments):
    """Which entries."""

    order: Literal["oldest", "newest"] = Field(default="oldest", description="Which come first.")
    after: int = Field(default=0, ge=0, description="With oldest: only entries behind this number.")
    before: int = Field(default=0, ge=0, description="With newest: only entries before this number; 0: all.")
    limit: int = Field(default=100, ge=1, description="Most entries; more than 500 are cut.")
    who: str = Field(default="", max_length=200, description="Only what somebody of this name did, or told.")
    what: str = Field(default="", max_length=200, description="Only this operation or event, or those whose names begin with it.")
    since: str = Field(default="", max_length=40, description="Only from this time on: RFC 3339 in UTC, or its beginning.")
    until: str = Field(default="", max_length=40, description="Only before this time.")


class AuditWho(Result):
    """Somebody who asks."""

    kind: str = Field(description="node, local, api, api-server, peer, issuer or several.")
    name: str = ""
    uid: int | None = None
    roles: list[str] = Field(default=[])


class AuditEntry(Result):
    """One entry, as it was written."""

    n: int = Field(description="Its number.")
    time: str = Field(description="RFC 3339 in UTC.")
    what: str = Field(description="The operation, or what happened.")
    outcome: str = Field(description="allowed, denied, failed or done.")
    who: AuditWho
    told_by: AuditWho | None = Field(default=None, description="Who says so, where the node has only his word for it.")
    target: str = ""
    reason: str = Field(default="", description="A code.")
    permission: str = ""
    request: str = Field(default="", description="What entries of one request have in common.")
    times: int = 1
    more: dict[str, Any] = Field(default={})
    hash: str = Field(description="Of its line, over the line before: 64 hexadecimal digits.")


class AuditPage(Result):
    """Some entries, and where to go on."""

    entries: list[AuditEntry]
    after: int | None = Field(default=None, description="With oldest: ask again with this, now or later.")
    before: int | None = Field(default=None, description="With newest: ask again with this; null: there is no more.")


class AuditHead(Result):
    """A signed head: which entry was the last, and its hash."""

    node: str = Field(description="The fingerprint of the node whose log it is.")
    log: str = Field(description="Which log of that node.")
    number: int = Field(description="Of the last entry.")
    hash: str
    time: int = Field(description="Unix seconds.")
    signed: str = Field(description="All of it with its signature, in base64: what `appliance audit verify --head` reads.")


class HeadsAsked(Arguments):
    """Whose heads."""

    peer: str | None = Field(
        default=None, max_length=200, description="A peer that is asked for those that it keeps of this node."
    )


class AuditHeads(Result):
    """Signed heads."""

    heads: list[AuditHead] = Field(description="Of this node; asked of a peer, those that it keeps of this node.")
    others: list[AuditHead] = Field(default=[], description="Of other nodes, as this one keeps them.")


ROWS: Final = (
    Row(
        "audit",
        "entries of the audit log",
        _AUDIT,
        "audit.read",
        Verb.GET,
        "/audit",
        AuditPage,
        AuditAsked,
        example={"order": "newest", "who": "alice"},
        about="Reading does not verify: `appliance audit verify` does, on the node.",
    ),
    Row(
        "audit_heads",
        "signed heads of the audit log, to be kept elsewhere",
        _AUDIT,
        "audit.read",
        Verb.GET,
        "/audit/heads",
        AuditHeads,
        HeadsAsked,
        about="Whoever keeps one can tell later whether the log was cut off or written anew.",
    ),
)
