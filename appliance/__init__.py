"""A plugin-based network appliance: one declarative profile makes a host a node of an encrypted, post-quantum overlay."""

__version__ = "0.1.0"
