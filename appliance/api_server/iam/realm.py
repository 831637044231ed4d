"""In whose name tokens are issued: what the store says, so that all API servers of one store take each other's tokens."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from appliance.api.stores import Conflict, Store, StoreFull
from appliance.api_server.iam.records import STATE, Records, put_document
from appliance.management.iam.tokens import Realm

KEY: Final = "realm"
AUDIENCE: Final = "appliance"
"""For whom access tokens are."""


async def realm_of(store: Store, identity: str) -> Realm:
    """The issuer that the store names; `identity` is that of this node, by which a new store names it. Raises StoreBroken."""
    records = Records(store)
    named = f"urn:appliance:{identity}"
    document, version = await records.document(STATE, KEY)
    if not version:
        with suppress(Conflict, StoreFull):  # another server was quicker; or the next start names it
            await records.commit(put_document(STATE, KEY, {"issuer": named}, 0))
        document, _ = await records.document(STATE, KEY)
    return Realm(str(document.get("issuer", named)), AUDIENCE)
