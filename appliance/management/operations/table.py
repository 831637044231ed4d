"""All rows."""

from __future__ import annotations

from typing import Final

from appliance.management.operations import node
from appliance.management.operations.row import Row

ROWS: Final[tuple[Row, ...]] = (*node.ROWS,)
BY_NAME: Final[dict[str, Row]] = {row.name: row for row in ROWS}
