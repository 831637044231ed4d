"""What every store does, on a real server."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.stores import StoreKind
from appliance.testing.conformance.store import StoreConformance
from appliance_store_postgresql.plugin import appliance_stores
from tests.rigs.postgresql import Cluster


class TestPostgresqlStore(StoreConformance):
    seconds = 60.0
    own = "schema"

    @pytest.fixture(autouse=True)
    def _database(self, database: Cluster) -> None:
        self._settings = database.settings()

    def kind(self) -> StoreKind:
        return appliance_stores()[0]

    def settings(self) -> dict[str, Any]:
        return self._settings
