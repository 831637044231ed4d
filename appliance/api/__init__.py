"""The only package a plugin imports. No behaviour, no I/O.

Importing this package costs next to nothing: the worker, which loads transports and suites, must stay small. Submodules that
need pydantic (`profile`) or pluggy (`hookspecs`) are imported by name.
"""

API_VERSION = 1
API_MINOR = 0
"""The plugin API has version API_VERSION.API_MINOR. The second one grows with whatever is added or given up (docs/plugins.md)."""
ENTRY_POINT_GROUP = "appliance.v1"
STANDARD_PLUGINS = (
    "transport-ip",
    "crypto-standard",
    "routing-static",
    "discovery-bootstrap",
    "monitoring-prometheus",
)
"""What comes with the appliance, and is enabled where a profile does not say what is."""
