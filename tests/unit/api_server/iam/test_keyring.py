"""Signing keys: made once, changed without anybody noticing, shared by servers."""

from __future__ import annotations

import asyncio

import jwt
import pytest

from appliance.api_server.iam.keyring import AGAIN
from appliance.management.iam.signing_keys import KEPT_SECONDS, LIFE
from appliance.management.iam.tokens import TokenNotValid
from tests.unit.api_server.iam.rig import Rig


async def test_servers_that_begin_at_once_have_one_key(rig: Rig) -> None:
    servers = [rig.another() for _ in range(10)]
    rings = await asyncio.gather(*(server.keyring.ring() for server in servers))
    assert len({ring.signer[0] for ring in rings}) == 1


async def test_after_a_rotation_old_tokens_are_good_and_new_ones_by_the_new_key(rig: Rig) -> None:
    await rig.user()
    old = (await rig.log_in()).access_token
    await rig.accounts.keyring.rotate()
    new = (await rig.log_in()).access_token
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    for text in (old, new):
        assert await rig.accounts.callers.authenticate(text)
    assert len((await rig.accounts.keyring.jwks())["keys"]) == 2
    rig.clock.now += KEPT_SECONDS
    assert len((await rig.accounts.keyring.jwks())["keys"]) == 1


async def test_a_key_of_another_server_is_looked_up(rig: Rig) -> None:
    await rig.user()
    other = rig.another()
    await rig.known()
    await other.keyring.rotate()
    rig.clock.now += AGAIN
    text = (await rig.log_in()).access_token
    rig.clock.now += AGAIN
    assert await rig.accounts.callers.authenticate(text)
    assert await other.callers.authenticate(text)


async def test_made_up_key_ids_ask_the_store_once_a_second(rig: Rig) -> None:
    await rig.user()
    header, claims, signature = (await rig.log_in()).access_token.split(".")
    forged = jwt.utils.base64url_encode(b'{"alg":"EdDSA","kid":"made-up","typ":"at+jwt"}').decode()
    before = rig.store.reads
    for _ in range(100):
        with pytest.raises(TokenNotValid):
            await rig.accounts.callers.authenticate(f"{forged}.{claims}.{signature}")
    assert rig.store.reads <= before + 1
    assert header


async def test_a_key_is_replaced_after_a_month_by_itself(rig: Rig) -> None:
    first = (await rig.accounts.keyring.ring()).signer[0]
    rig.clock.now += LIFE - 1
    assert (await rig.accounts.keyring.ring()).signer[0] == first
    rig.clock.now += 61
    assert (await rig.accounts.keyring.ring()).signer[0] != first
