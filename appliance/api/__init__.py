"""The only package a plugin imports. No behaviour, no I/O.

Importing this package costs next to nothing: the worker, which loads transports and suites, must stay small. Submodules that
need pydantic (`profile`) or pluggy (`hookspecs`) are imported by name.
"""

API_VERSION = 1
ENTRY_POINT_GROUP = "appliance.v1"
