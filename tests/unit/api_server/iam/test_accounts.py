"""The accounts as a whole, on the store that a node has."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.people import Changed
from appliance.api_server.iam.registration import Registering
from appliance.api_server.iam.sessions import LogIn
from appliance.api_server.iam.tools import CHANGES
from appliance.errors import ApplianceError
from appliance.management.iam.refresh import GRACE
from appliance.management.iam.tokens import TokenNotValid
from appliance.store.sqlite import SqliteStore
from tests.unit.api_server.iam.rig import CHEAP, PASSWORD, REALM, Clock, Randomness, Rig, actor, kept_note


async def test_a_days_work_and_a_restart_on_a_store_in_a_file(tmp_path: Path) -> None:
    clock, randomness = Clock(), Randomness()
    store = await SqliteStore.open(tmp_path / "store", clock=clock)
    accounts = Accounts(store, clock, randomness, HashingThreads(CHEAP), realm=REALM, keep=kept_note)
    code = await accounts.registration.first_code()
    assert code is not None
    root = await accounts.registration.register(Registering(code, "chief", PASSWORD))
    grant = await accounts.sessions.log_in(LogIn("chief", PASSWORD))
    grants = await asyncio.gather(*(accounts.sessions.refresh(grant.refresh_token) for _ in range(50)))
    assert len({one.refresh_token for one in grants}) == 1
    accounts.close()
    await store.close()

    store = await SqliteStore.open(tmp_path / "store", clock=clock)
    accounts = Accounts(store, clock, randomness, HashingThreads(CHEAP), realm=REALM, keep=kept_note)
    assert await accounts.registration.first_code() is None
    assert (await accounts.callers.authenticate(grants[0].access_token)).user == root.id
    clock.now += GRACE + 1
    with pytest.raises(TokenNotValid):
        await accounts.sessions.refresh(grant.refresh_token)
    with pytest.raises(TokenNotValid):
        await accounts.sessions.refresh(grants[0].refresh_token)
    accounts.close()
    await store.close()
    secrets = [PASSWORD, grant.refresh_token, grants[0].refresh_token, grants[0].access_token, code]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "store").iterdir())
    assert not [secret for secret in secrets if secret.encode() in kept]


async def test_each_change_of_who_may_what_is_kept_in_one_commit_with_its_note(rig: Rig) -> None:
    """So that no crash leaves a change that the audit log knows nothing of."""
    accounts, people = rig.accounts, rig.accounts.people
    chief = await rig.first_user()  # user.registered
    alice = await rig.user("alice", "operator")
    root = actor(await rig.known("chief"))
    await people.change(root, alice.id, Changed(roles=("viewer",)))
    await people.set_password(root, alice.id, "another " + PASSWORD)
    await people.change_password(alice.id, "another " + PASSWORD, PASSWORD)
    own = actor(await rig.known("alice"))
    token, _ = await accounts.programs.create(own, "backup", ("node.read",), 86_400)
    await accounts.programs.revoke(own, token.accessor, of_all=False)
    begun = await accounts.second_factor.begin(alice.id, PASSWORD)
    code = TOTP(base64.b32decode(begun.secret), 6, SHA1(), 30).generate(rig.clock()).decode()
    await accounts.second_factor.confirm(alice.id, code)
    await accounts.second_factor.reset(root, alice.id)
    invitation, _ = await accounts.registration.invite(root, ("viewer",), 3600)
    await accounts.registration.revoke(root, invitation.number)
    await accounts.sessions.log_out_everywhere(alice.id)
    await accounts.keyring.rotate(chief.id)
    await people.remove(root, alice.id)
    assert await rig.kept() == [what for what in rig.told if what in CHANGES]
    assert set(rig.told) >= CHANGES - {"user.store.rotated"}, "each of them was tried"
    before = len(await rig.kept())
    rig.store.after = 0
    for refused in (people.remove(root, alice.id), accounts.keyring.rotate(), accounts.registration.invite(root, (), 60)):
        with pytest.raises(ApplianceError):
            await refused
    assert len(await rig.kept()) == before
    assert [what for what in rig.told if what in CHANGES] == await rig.kept(), "nothing is told that did not happen"
