"""The languages of `make clients`. A further one is a module in `drivers/` with a `DRIVER`, a program in `stories/`, a line here,
and its compiler's Debian package in packaging/setup.sh."""

from __future__ import annotations

from tests.clients.driver import Driver
from tests.clients.drivers import go, java, python, rust, typescript

DRIVERS: dict[str, Driver] = {
    "go": go.DRIVER,
    "java": java.DRIVER,
    "python": python.DRIVER,
    "rust": rust.DRIVER,
    "typescript": typescript.DRIVER,
}
