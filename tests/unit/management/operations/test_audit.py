"""The rows of the audit log fit what the node answers."""

from __future__ import annotations

import json

from appliance.management.audit.entry import Entry, Outcome, Who, text_of
from appliance.management.audit.head import Head, sign
from appliance.management.operations.audit import AuditEntry, AuditHeads
from appliance.protocol.identity import Identity


def test_every_field_of_an_entry_is_in_the_model() -> None:
    somebody = Who("api", "alice", 7, ("admin",))
    entry = Entry("reload", Outcome.DONE, somebody, somebody, "p", "t", "r", "q", 3, {"bytes": 7})
    said = {**json.loads(text_of(entry, 1, "2026-11-28T06:00:00.000Z")), "hash": "0" * 64}
    assert said.keys() == AuditEntry.model_fields.keys()
    assert AuditEntry.model_validate(said).model_dump() == said


def test_a_head_is_what_a_head_says() -> None:
    document = sign(Head("0b" * 16, 1, bytes(32), 0), Identity.from_seeds(b"\x01" * 32, b"\x02" * 32)).document()
    assert AuditHeads.model_validate({"heads": [document]}).model_dump() == {"heads": [document], "others": []}
