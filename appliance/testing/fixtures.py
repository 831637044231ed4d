"""Fixtures for plugin authors: `pytest_plugins = ["appliance.testing.fixtures"]` in a conftest.py."""

from __future__ import annotations

import pytest

from appliance.testing.clock import ManualClock
from appliance.testing.monitoring import FakeMonitoringServices


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that the test owns."""
    return ManualClock()


@pytest.fixture
def monitoring_services() -> FakeMonitoringServices:
    """Services with the figures of a healthy node that has one session."""
    return FakeMonitoringServices()
