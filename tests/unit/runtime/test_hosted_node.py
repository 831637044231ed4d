"""What becomes of the garbage collector when a node has started."""

from __future__ import annotations

import gc

from appliance.runtime import hosted_node


def test_the_collector_looks_at_what_comes_after_the_start_only() -> None:
    gc.disable()
    try:
        hosted_node._tidy()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
