"""Text to a frozen, validated profile with the position of every key.

loaded = load([Path("office.yaml")], environ=os.environ)     raises ProfileInvalid with all problems at once
loaded.profile.network.mtu, loaded.origins["network.mtu"]
"""

from appliance.profile.loaded import LoadedProfile, Origin, Setting
from appliance.profile.loading import enabled_plugins, load
from appliance.profile.model import Kinds
from appliance.profile.problems import LocatedProblem, ProfileInvalid
from appliance.profile.schema import json_schema
from appliance.profile.starting import starter

__all__ = [
    "Kinds",
    "LoadedProfile",
    "LocatedProblem",
    "Origin",
    "ProfileInvalid",
    "Setting",
    "enabled_plugins",
    "json_schema",
    "load",
    "starter",
]
