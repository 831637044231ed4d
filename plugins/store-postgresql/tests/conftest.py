"""One server for all tests of the plugin that do not end it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rigs.postgresql import Cluster, cluster


@pytest.fixture(scope="session")
def database() -> Iterator[Cluster]:
    with cluster() as running:
        yield running
