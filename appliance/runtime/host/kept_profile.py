"""A profile as one text that says all of it: to know it again, and to bring it into force when its files say something else.

The environment and the defaults of this version are in it, and secrets are not hidden: keep it where nobody else reads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.planning.membership import as_written

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.profile.loading import Readings


def text_of(profile: Profile) -> str:
    """The text; the same for profiles that say the same."""
    written = as_written(profile)
    shown = written.model_dump(mode="json", by_alias=True)
    return json.dumps(_with_secrets(shown, written.model_dump(by_alias=True)), ensure_ascii=False)


def fingerprint(text: str) -> str:
    """What a profile is known by."""
    from appliance.protocol.digests import sha256

    return sha256(text.encode()).hex()


def readings_of(text: str, path: Path) -> Readings:
    """What `load` takes in the place of the file at `path`."""
    from appliance.profile.reading import read_bytes, reader_for

    return {path: read_bytes(text.encode(), f"the profile before, kept in {path}", reader_for(path))}


def _with_secrets(shown: Any, real: Any) -> Any:
    """`shown` is JSON with stars for secrets, `real` the same tree with the secrets in it."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return {key: _with_secrets(value, real[key]) if key in real else value for key, value in shown.items()}
    if isinstance(shown, list) and isinstance(real, list | tuple):
        return [_with_secrets(one, other) for one, other in zip(shown, real, strict=True)]
    secret = getattr(real, "get_secret_value", None)
    if secret is None:
        return shown
    value = secret()
    return value.decode() if isinstance(value, bytes) else value
