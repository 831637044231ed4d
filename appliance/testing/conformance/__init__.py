"""What every plugin of a kind must do, one suite a kind. Subclass it and say what it is to try:

    class TestMine(RoutingConformance):
        def kind(self) -> RoutingKind:
            return MINE

Needs nothing but pytest. `appliance plugin check NAME` runs the same suites against an installed plugin.
"""

import pytest

KINDS = ("transport", "crypto", "routing", "discovery", "monitoring")
pytest.register_assert_rewrite(*(f"{__name__}.{kind}" for kind in (*KINDS, "management", "planning")))
