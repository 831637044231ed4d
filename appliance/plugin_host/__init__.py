"""Finds, loads and calls plugins one by one, and attributes every failure."""

from appliance.plugin_host.facts import PluginFact
from appliance.plugin_host.plugins import PluginHost
from appliance.plugin_host.requirements import required

__all__ = ["PluginFact", "PluginHost", "required"]
