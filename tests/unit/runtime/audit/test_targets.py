"""What of arguments may be in the log."""

from __future__ import annotations

import hashlib

from appliance.api.management import Principal
from appliance.control.conversation import Request
from appliance.runtime.audit.targets import target_of

ROOT = Principal("local", "root", 0)


def test_of_a_profile_there_is_the_hash() -> None:
    text = b"profile: 1\nsecret: hunter2\n"
    said = target_of("reload", Request(ROOT, {"files": [["/p", len(text)]], "admin": "x"}, text))
    assert said == f"sha256:{hashlib.sha256(text).hexdigest()}"
    assert target_of("reload", Request(ROOT, {})) == ""


def test_who_is_called_and_what_is_invited() -> None:
    assert target_of("connect", Request(ROOT, {"to": "office", "service": "ssh", "metadata": {"token": "t"}})) == "office ssh"
    assert target_of("connect", Request(ROOT, {"to": "office", "port": 22})) == "office 22"
    assert target_of("invite", Request(ROOT, {"name": "laptop"})) == "laptop"
    assert target_of("revoke_invitation", Request(ROOT, {"which": 3})) == "3"
    assert target_of("confirm", Request(ROOT, {"refused": True})) == "refusals"


def test_what_nobody_thought_of_is_not_there() -> None:
    assert target_of("mesh.secret", Request(ROOT, {"password": "hunter2"})) == ""
    assert target_of("invite", Request(ROOT, {"name": {"a": 1}})) == ""
