"""Whether this process could be a rootless node: tried out, since settings do not tell all."""

from __future__ import annotations

import os
from typing import NoReturn

from appliance.errors import ApplianceError


def obstacle() -> str:
    """What is in the way, with what to do, as a sentence; "" if nothing is. A child tries it, so nothing is left."""
    said, say = os.pipe()
    child = os.fork()
    if child == 0:
        _try(say)
    os.close(say)
    with os.fdopen(said, "rb") as told:
        text = told.read().decode()
    os.waitpid(child, 0)
    return text


def _try(say: int) -> NoReturn:
    from appliance.runtime.rootless.namespace import InnerNamespace

    try:
        InnerNamespace()
    except ApplianceError as error:
        os.write(say, f"{error.message}; {error.hint}".encode())
    finally:
        os._exit(0)
