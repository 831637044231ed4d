"""What a driver can do besides, told by its members. `isinstance` would do, but from Python 3.12 on it reads a file of the
library before it answers, and a worker opens none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeGuard

if TYPE_CHECKING:
    from appliance.api.transport import AdaptiveDriver, Driver, OffloadingDriver

ADAPTIVE: Final = ("shape", "transmit_whole")
OFFLOADING: Final = ("offload_problem", "try_offload")


def adapts(driver: Driver | None) -> TypeGuard[AdaptiveDriver]:
    """Can it change the size of its datagrams?"""
    return all(hasattr(driver, member) for member in ADAPTIVE)


def offloads(driver: Driver | None) -> TypeGuard[OffloadingDriver]:
    """Does it let the kernel cut its records?"""
    return all(hasattr(driver, member) for member in OFFLOADING)
