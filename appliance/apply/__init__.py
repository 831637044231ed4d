"""Carries out plans under an undo journal: apply, confirm, roll back, and recover after a crash.

All take the state directory (`appliance.foundation.places.state_dir()`) and act on the network namespace of the calling process.
"""

from appliance.apply.engine import (
    ApplyResult,
    Undone,
    apply_profile,
    confirm,
    plan_profile,
    plan_rollback,
    recover,
    rollback,
    state,
)
from appliance.apply.executor import Progress, Stage

__all__ = [
    "ApplyResult",
    "Progress",
    "Stage",
    "Undone",
    "apply_profile",
    "confirm",
    "plan_profile",
    "plan_rollback",
    "recover",
    "rollback",
    "state",
]
