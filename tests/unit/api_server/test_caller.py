"""Who of this host needs no token."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest
from starlette.requests import HTTPConnection

from appliance.api_server.caller import LOCAL, caller_of, local_caller
from appliance.linux.privileges import NOBODY as NOBODYS


async def nobodys_token(_: str) -> NoReturn:
    raise AssertionError("there is none")


async def asked_by(uid: int) -> str:
    connection = HTTPConnection({"type": "http", "headers": [], "client": (LOCAL, uid)})
    return (await caller_of(connection, nobodys_token)).name


async def test_root_and_our_own_user_but_not_the_one_that_many_programs_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert [await asked_by(uid) for uid in (0, 1234, 1235)] == ["root", "uid-1234", ""]
    monkeypatch.setattr(os, "geteuid", lambda: NOBODYS)
    assert [await asked_by(uid) for uid in (0, NOBODYS)] == ["root", ""]
    assert local_caller(f"uid-{NOBODYS}") is None
