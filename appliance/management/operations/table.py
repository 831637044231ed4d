"""All rows."""

from __future__ import annotations

from typing import Final

from appliance.management.operations import (
    analytics,
    audit,
    dht,
    iam,
    jobs,
    node,
    pubsub,
    rendezvous,
    reviews,
    scores,
    server,
    short_paths,
    store,
    traces,
)
from appliance.management.operations.row import Row

ROWS: Final[tuple[Row, ...]] = (
    *node.ROWS,
    *iam.ROWS,
    *dht.ROWS,
    *audit.ROWS,
    *analytics.ROWS,
    *jobs.ROWS,
    *pubsub.ROWS,
    *rendezvous.ROWS,
    *reviews.ROWS,
    *scores.ROWS,
    *server.ROWS,
    *store.ROWS,
    *traces.ROWS,
    *short_paths.ROWS,
)
BY_NAME: Final[dict[str, Row]] = {row.name: row for row in ROWS}
